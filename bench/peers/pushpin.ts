/**
 * Pushpin: a proxy that holds streams for backends of any kind, in four processes.
 * On Debian and Ubuntu: `apt-get install pushpin` brings condure and zurl, which it is made of.
 */
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { tokenFor } from '../../test/support/tokens.ts';
import { eventually } from '../../test/support/wait.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Cleanup } from '../support/cleanup.ts';
import type { Peer, Publication, RunningPeer } from '../support/peer.ts';
import { childrenOf } from '../support/procfs.ts';
import { output, programPath, quietly, temporaryFolder } from './program.ts';

/** How long a first request may take, in milliseconds. */
const ANSWER_MS = 500;
/** With 40 or more at a time some openings are refused or never answered: what is between its processes is short. */
const OPENS_AT_ONCE = 5;
const BACKEND = fileURLToPath(new URL('./pushpin-backend.js', import.meta.url));
const LIBRARY = '/usr/lib/pushpin';
const PROGRAMS = ['pushpin', 'condure', 'zurl'];
/** What the runner starts: the connection manager, the proxy, the handler. */
const SERVICES = ['condure', 'pushpin-proxy', 'pushpin-handler'];

interface Place {
  readonly folder: string;
  readonly streamPort: number;
  readonly publishPort: number;
  readonly backendPort: number;
}

/**
 * `message_rate=0` switches its limiter off. With any other rate an event is held back for as long as the next one
 * comes within 25 ms of the one before (pushpin 1.36), and what is above the rate or the high-water mark is dropped: an
 * event for 1,000 streams counts 1,000 times, and the default is 2,500 a second.
 */
const configuration = ({ folder, streamPort, publishPort }: Place): string => `
[global]
include=${LIBRARY}/internal.conf
rundir=${folder}
ipc_prefix=pushpin-

[runner]
services=${SERVICES.join()}
http_port=127.0.0.1:${streamPort}
logdir=${folder}
log_level=0
client_buffer_size=8192
client_maxconn=19000

[proxy]
routesfile=routes
updates_check=off
zurl_out_specs=ipc://${folder}/zurl-in
zurl_out_stream_specs=ipc://${folder}/zurl-in-stream
zurl_in_specs=ipc://${folder}/zurl-out

[handler]
push_in_spec=ipc://${folder}/push
push_in_sub_specs=ipc://${folder}/push-sub
command_spec=ipc://${folder}/command
push_in_http_addr=127.0.0.1
push_in_http_port=${publishPort}
message_rate=0
`;

/** Its own default forbids to ask loopback addresses. */
const zurlConfiguration = (folder: string): string => `
[General]
in_spec=ipc://${folder}/zurl-in
in_stream_spec=ipc://${folder}/zurl-in-stream
out_spec=ipc://${folder}/zurl-out
in_req_spec=ipc://${folder}/zurl-req
defpolicy=allow
deny=
max_open_requests=2000
buffer_size=200000
timeout=600
`;

async function prepare(owner: Cleanup): Promise<Place> {
  const folder = temporaryFolder(owner, 'pushpin');
  const [streamPort, publishPort] = [await freePort(), await freePort()];
  const place = { folder, streamPort, publishPort, backendPort: await freePort() };
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/pushpin.conf`, configuration(place));
  writeFileSync(`${folder}/routes`, `* 127.0.0.1:${place.backendPort}\n`);
  writeFileSync(`${folder}/zurl.conf`, zurlConfiguration(folder));
  return place;
}

/** All that an event or the opening of a stream passes through; the runner only watches the others. */
async function startProcesses(owner: Cleanup, place: Place): Promise<number[]> {
  const { folder, streamPort, publishPort, backendPort } = place;
  const backend = [process.execPath, BACKEND, String(backendPort)] as const;
  const zurl = ['zurl', `--config=${folder}/zurl.conf`, `--logfile=${folder}/zurl.log`] as const;
  const pushpin = ['pushpin', `--config=${folder}/pushpin.conf`] as const;
  const asked = await startChild(owner, backend, [backendPort]);
  const asking = await startChild(owner, quietly(`${folder}/zurl.err`, zurl), []);
  await eventually(() => existsSync(`${folder}/zurl-in`), { what: 'zurl to listen' });
  const runner = await startChild(owner, quietly(`${folder}/pushpin.err`, pushpin), [
    streamPort,
    publishPort,
  ]);
  const services = childrenOf(runner.pid!);
  return [...services, asking.pid!, asked.pid!];
}

const authorization = (index: number): string => `Bearer ${tokenFor(`user-${index}`, 'chat')}`;

/** Its processes listen before they have found each other; meanwhile a request gets a 500, or no answer at all. */
async function passes({ streamPort }: Place): Promise<boolean> {
  const headers = { authorization: authorization(0) };
  const opening = get({ host: '127.0.0.1', port: streamPort, headers });
  try {
    opening.setTimeout(ANSWER_MS, () => opening.destroy(new Error('no answer')));
    const [answer] = await once(opening, 'response');
    return answer.statusCode === 200;
  } catch {
    return false;
  } finally {
    opening.destroy();
  }
}

const publicationFor = (channel: string): Publication => ({
  path: '/publish/',
  headers: ['Content-Type: application/json'],
  body: `{"items":[{"channel":"${channel}","formats":{"http-stream":{"content":"data: {event}\\n\\n"}}}]}`,
});

async function start(owner: Cleanup): Promise<RunningPeer> {
  const place = await prepare(owner);
  const pids = await startProcesses(owner, place);
  await eventually(() => passes(place), { withinMs: 10_000, what: 'Pushpin to reach its backend' });
  return {
    name: 'Pushpin',
    pids,
    opensAtOnce: OPENS_AT_ONCE,
    stream: { host: '127.0.0.1', port: place.streamPort },
    emit: { host: '127.0.0.1', port: place.publishPort },
    subscribe: (index) => ({
      path: '/',
      headers: [`Authorization: ${authorization(index)}`],
    }),
    broadcast: publicationFor('chat'),
    toUser: (index) => publicationFor(`user-${index}`),
  };
}

export const pushpin: Peer = {
  name: 'Pushpin',
  settings:
    'Debian pushpin with condure and zurl, `message_rate` 0 (its limiter holds events back and drops them), 19,000 ' +
    'connections, a backend in Node that verifies the JWT of each stream (`bench/peers/pushpin-backend.ts`), no history, at most 5 streams being opened at a time (more are refused)',
  version: () =>
    PROGRAMS.slice(0, 2)
      .map((name) => output(name, '--version'))
      .join(', '),
  missing() {
    const absent = PROGRAMS.filter((name) => programPath(name) === undefined);
    return absent.length === 0 ? undefined : `no ${absent.join(', ')} (Debian: pushpin)`;
  },
  start,
};
