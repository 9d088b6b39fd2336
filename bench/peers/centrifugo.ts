/**
 * Centrifugo: a messaging server in Go with many transports; here its one-way SSE.
 * A release binary from its project page, on PATH as `centrifugo` or named by CENTRIFUGO_BIN.
 */
import { writeFileSync } from 'node:fs';
import { SECRET, sign } from '../../test/support/tokens.ts';
import type { Cleanup } from '../support/cleanup.ts';
import type { Peer, Publication, RunningPeer, Subscription } from '../support/peer.ts';
import { output, programPath, quietly, startOnPort, temporaryFolder } from './program.ts';

const program = (): string | undefined => programPath('centrifugo', 'CENTRIFUGO_BIN');

/** A stream that comes back may be sent the whole history at once. */
const HISTORY_EVENTS = 1000;
const HISTORY = { history_size: HISTORY_EVENTS, history_ttl: '300s', force_recovery: true };

/** A stream hears the channels that its token names, and the personal one of its user: `own:#user-1`. */
const configuration = (port: number): object => ({
  http_server: { address: '127.0.0.1', port: String(port) },
  client: {
    token: { hmac_secret_key: SECRET },
    allowed_origins: ['*'],
    subscribe_to_user_personal_channel: { enabled: true, personal_channel_namespace: 'own' },
    recovery_max_publication_limit: HISTORY_EVENTS,
  },
  channel: {
    without_namespace: HISTORY,
    namespaces: [{ name: 'own', allow_user_limited_channels: true, ...HISTORY }],
  },
  http_api: { insecure: true },
  uni_sse: { enabled: true },
  usage_stats: { disabled: true },
  log: { level: 'error' },
});

const expiry = (): number => Math.floor(Date.now() / 1000) + 3600;

function subscription(index: number, subs?: object): Subscription {
  const claims = { sub: `user-${index}`, channels: ['chat'], exp: expiry() };
  const connect = JSON.stringify({ token: sign(JSON.stringify(claims)), subs });
  return {
    path: `/connection/uni_sse?cf_connect=${encodeURIComponent(connect)}`,
    headers: [],
  };
}

const publicationFor = (channel: string): Publication => ({
  path: '/api/publish',
  headers: ['Content-Type: application/json'],
  body: `{"channel":"${channel}","data":"{event}"}`,
});

/** What one event's data may hold, of what matters here. */
interface Push {
  readonly connect?: { readonly subs?: { readonly [channel: string]: Position } };
  readonly channel?: string;
  readonly pub?: { readonly offset?: number };
}

interface Position {
  readonly epoch: string;
  readonly offset?: number;
}

/** Each channel has its own epoch, told with the answer to connecting, and offsets, told with each event since. */
function positionIn(seen: string): object {
  const data = [...seen.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!) as Push);
  const start = data.find(({ connect }) => connect !== undefined)?.connect?.subs?.['chat'];
  const last = data.findLast(({ channel }) => channel === 'chat')?.pub;
  if (start === undefined || last === undefined) throw new Error(`no position in ${seen}`);
  return { recover: true, epoch: start.epoch, offset: last.offset };
}

async function start(owner: Cleanup): Promise<RunningPeer> {
  const folder = temporaryFolder(owner, 'centrifugo');
  const file = `${folder}/config.json`;
  const command = (port: number) => {
    writeFileSync(file, JSON.stringify(configuration(port)));
    return quietly(`${folder}/log`, [program()!, '--config', file]);
  };
  return {
    ...(await startOnPort(owner, 'Centrifugo', command)),
    subscribe: (index) => subscription(index),
    broadcast: publicationFor('chat'),
    toUser: (index) => publicationFor(`own:#user-${index}`),
    resume: (seen) => (index) => subscription(index, { chat: positionIn(seen) }),
  };
}

export const centrifugo: Peer = {
  name: 'Centrifugo',
  settings:
    'memory engine, all cores, a JWT verified for each stream (HS256), its channel and the personal one of its user, ' +
    'history of 1,000 events for 300 s with recovery',
  version: () => output(program()!, 'version'),
  missing() {
    if (program() !== undefined) return undefined;
    return 'no `centrifugo` on PATH and no CENTRIFUGO_BIN (a release from https://centrifugal.dev)';
  },
  start,
};
