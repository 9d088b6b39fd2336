/** Two of our nodes on NATS: emits go to one, the streams are on the other. */
import { NATS_PROGRAMS, startNats, versionOf } from '../../test/support/nats.ts';
import type { Peer } from '../support/peer.ts';
import { startTidings } from './tidings.ts';

/** `replicas`: NATS servers, each with a copy of every event. */
const peer = (name: string, replicas: 1 | 3): Peer => ({
  name,
  settings:
    `two nodes as \`tidings\`, emits to one and streams on the other, ${replicas === 1 ? 'one NATS server' : 'three NATS servers'} on the same machine, ` +
    'which write to disk every two minutes',
  version: () => `nats-server ${versionOf(NATS_PROGRAMS[0]!)}`,
  missing: () =>
    NATS_PROGRAMS.length > 0 ? undefined : 'nats-server is not installed (Debian: nats-server)',
  async start(owner) {
    const { urls, servers } = await startNats(owner, { count: replicas });
    const args = ['-nats', urls, '-nats-replicas', String(replicas)];
    const emits = await startTidings(owner, { name, args });
    const streams = await startTidings(owner, { name, args });
    const store = servers.map(({ pid }) => pid);
    return {
      ...streams,
      emit: emits.emit,
      pids: [...emits.pids, ...streams.pids, ...store],
      parts: { streams: streams.pids, store },
    };
  },
});

export const tidingsNats: Peer = peer('tidings, NATS', 1);

/** What it costs to survive the loss of a server. */
export const tidingsNatsThree: Peer = peer('tidings, 3 NATS', 3);
