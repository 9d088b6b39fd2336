/**
 * Nchan: the publish/subscribe module of nginx, the fastest widely packaged rival.
 * On Debian and Ubuntu: `apt-get install nginx libnginx-mod-nchan`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { eventually } from '../../test/support/wait.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { idIn, type Peer, type Publication, type RunningPeer } from '../support/peer.ts';
import { childrenOf } from '../support/procfs.ts';
import { addon } from './addon.ts';
import { output, programPath, temporaryFolder } from './program.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

interface Place {
  readonly folder: string;
  readonly port: number;
}

/** In which the entrants differ. */
interface Variant {
  readonly name: string;
  readonly workers: number;
  /** What a stream hears, as `nchan_channel_id` has it. */
  readonly channels: string;
  /** Port of a backend that is asked whether a stream may open; default: everyone may. */
  readonly backend?: number;
  /** Port of the Redis that keeps the messages for several servers; default: each for itself. */
  readonly redis?: number;
}

const EVERYONE = 'chat';
export const EVERYONE_AND_USER = `${EVERYONE} user-$arg_user`;

/** Not inherited from the server around it. */
const STORE = 'nchan_redis_pass redis;';

/** As Nchan's documentation has it, over connections that are kept. */
const asking = (backend: number): string => `
  upstream backend { server 127.0.0.1:${backend}; keepalive 200; keepalive_requests 100000000; }`;

const AUTHORIZE = 'nchan_authorize_request /may-open;';
const MAY_OPEN = `
    location = /may-open {
      internal;
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }`;

/** Publishers may keep their connection. */
const configuration = (
  { folder, port }: Place,
  { workers, channels, redis, backend }: Variant,
): string => `
load_module ${MODULE};
daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events { worker_connections 19000; }
http {
  access_log off;
  ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/tmp;`).join('\n  ')}
  keepalive_requests 100000000;
  # A body that does not fit is written to a file, and such a publish is answered with 400.
  client_body_buffer_size 128k;
  nchan_shared_memory_size 256M;
  nchan_message_buffer_length 1000;
  nchan_message_timeout 300s;
  ${redis === undefined ? '' : `upstream redis { nchan_redis_server redis://127.0.0.1:${redis}; }`}
  ${backend === undefined ? '' : asking(backend)}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /sub {
      nchan_subscriber eventsource;
      nchan_channel_id ${channels};
      nchan_subscriber_first_message newest;
      ${redis === undefined ? '' : STORE}
      ${backend === undefined ? '' : AUTHORIZE}
    }${backend === undefined ? '' : MAY_OPEN}
    location = /pub { nchan_publisher; nchan_channel_id $arg_to; ${redis === undefined ? '' : STORE} }
  }
}
`;

const publicationFor = (channel: string): Publication => ({
  path: `/pub?to=${channel}`,
  headers: ['Content-Type: text/plain'],
  body: '{event}',
});

async function startNginx(owner: Cleanup, variant: Variant): Promise<Place & { pids: number[] }> {
  const { workers } = variant;
  const place = { folder: temporaryFolder(owner, 'nchan'), port: await freePort() };
  const { folder, port } = place;
  mkdirSync(`${folder}/tmp`);
  const file = `${folder}/nginx.conf`;
  writeFileSync(file, configuration(place, variant));
  const command = ['nginx', '-p', folder, '-c', file, '-e', `${folder}/error.log`] as const;
  const { pid } = await startChild(owner, command, [port]);
  await eventually(() => childrenOf(pid!).length === workers, { what: `${workers} workers` });
  return { ...place, pids: childrenOf(pid!) };
}

export async function startNchan(owner: Cleanup, variant: Variant): Promise<RunningPeer> {
  const { port, pids } = await startNginx(owner, variant);
  const at = { host: '127.0.0.1', port };
  const path = (index: number) => `/sub?user=${index}`;
  return {
    name: variant.name,
    pids,
    stream: at,
    emit: at,
    subscribe: (index) => ({ path: path(index), headers: [] }),
    broadcast: publicationFor(EVERYONE),
    ...(variant.channels === EVERYONE
      ? {}
      : { toUser: (index: number) => publicationFor(`user-${index}`) }),
    resume: (seen) => (index) => ({
      path: path(index),
      headers: [`Last-Event-ID: ${idIn(seen)}`],
    }),
  };
}

export function missing(): string | undefined {
  if (programPath('nginx') !== undefined && existsSync(MODULE)) return undefined;
  return 'nginx with Nchan is not installed (Debian: nginx libnginx-mod-nchan)';
}

export const version = (): string => output('nginx', '-v').replace(/^nginx version: /, '');

export const SETTINGS =
  '256 MB, 1,000 messages for 300 s, first message `newest`, no authorisation (Nchan asks a backend over HTTP for that)';

const peer = (variant: Variant, settings: string): Peer => ({
  name: variant.name,
  settings,
  version,
  missing,
  start: (owner) => startNchan(owner, variant),
});

/** One worker, so that CPU per delivery is one process's. */
export const nchan = peer(
  { name: 'Nchan', workers: 1, channels: EVERYONE_AND_USER },
  `Debian libnginx-mod-nchan, one worker, streams of two channels each (everyone, the user), ${SETTINGS}`,
);

/** What it costs those who never address one user. */
export const nchanOneChannel = peer(
  { name: 'Nchan, one channel', workers: 1, channels: EVERYONE },
  'the same with streams of one channel, so without events for one user',
);

const TWO_WORKERS: Variant = { name: 'Nchan, 2 workers', workers: 2, channels: EVERYONE_AND_USER };

/** As many workers as the smallest machine that serves streams has cores. */
export const nchanTwoWorkers = peer(TWO_WORKERS, 'as Nchan, with two workers');

const ASKING: Variant = { ...TWO_WORKERS, name: 'Nchan, 2 workers, asking' };

/** They look at who opens a stream, as we do: in the only way that Nchan has. */
export const nchanAsking: Peer = {
  ...peer(
    ASKING,
    'the same with `nchan_authorize_request` to a backend that lets everyone in: the addon alone, over kept connections',
  ),
  async start(owner) {
    const { stream } = await addon.start(owner);
    return startNchan(owner, { ...ASKING, backend: stream.port });
  },
};
