/**
 * Nchan with its store for several servers: Redis. Publishes go to one nginx, the streams are on the other.
 * On Debian and Ubuntu: `apt-get install nginx libnginx-mod-nchan redis-server`.
 */
import { eventually } from '../../test/support/wait.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Cleanup } from '../support/cleanup.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import * as nchan from './nchan.ts';
import { output, programPath, temporaryFolder } from './program.ts';

const NAME = 'Nchan, Redis';

async function startRedis(owner: Cleanup): Promise<{ pid: number; port: number }> {
  const port = await freePort();
  const place = ['--bind', '127.0.0.1', '--port', String(port)];
  const memoryOnly = ['--save', '', '--appendonly', 'no'];
  const folder = temporaryFolder(owner, 'redis');
  const command = ['redis-server', ...place, ...memoryOnly, '--dir', folder] as const;
  const { pid } = await startChild(owner, command, [port]);
  return { pid: pid!, port };
}

/** It answers 503 until it has found its Redis. */
async function findsRedis({ emit: { host, port } }: RunningPeer): Promise<void> {
  const url = `http://${host}:${port}/pub?to=nobody`;
  const publish = () => fetch(url, { method: 'POST', body: 'x' });
  await eventually(async () => (await publish()).ok, { what: 'Nchan to find Redis' });
}

export const nchanRedis: Peer = {
  name: NAME,
  settings: `two nginx as Nchan, publishes to one and streams on the other, one Redis that writes nothing to disk, ${nchan.SETTINGS}`,
  version: () => `${nchan.version()}, ${output('redis-server', '--version').split(' sha=')[0]}`,
  missing: () =>
    nchan.missing() ??
    (programPath('redis-server') === undefined
      ? 'redis-server is not installed (Debian: redis-server)'
      : undefined),
  async start(owner) {
    const redis = await startRedis(owner);
    const variant = { name: NAME, workers: 1, channels: nchan.EVERYONE_AND_USER };
    const publishes = await nchan.startNchan(owner, { ...variant, redis: redis.port });
    const streams = await nchan.startNchan(owner, { ...variant, redis: redis.port });
    await Promise.all([publishes, streams].map(findsRedis));
    return {
      ...streams,
      emit: publishes.emit,
      pids: [...publishes.pids, ...streams.pids, redis.pid],
      parts: { streams: streams.pids, store: [redis.pid] },
    };
  },
};
