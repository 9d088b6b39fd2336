/** Not a rival: the C program that only sends, for what the kernel itself charges. */
import { floorBinary, hasCompiler } from '../support/build.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Peer } from '../support/peer.ts';

export const floor: Peer = {
  name: 'C floor',
  settings: '`bench/floor.c`: one `send` of the same bytes per stream, nothing else',
  missing: () => (hasCompiler() ? undefined : 'no C compiler (cc) to build bench/floor.c'),
  async start(owner) {
    const port = await freePort();
    const child = await startChild(owner, [floorBinary(), String(port)], [port]);
    return {
      name: this.name,
      pids: [child.pid!],
      stream: { host: '127.0.0.1', port },
      emit: { host: '127.0.0.1', port },
      subscribe: (index) => ({ path: `/events/${index}`, headers: [] }),
      broadcast: { path: '/emit/', headers: [], body: 'data: {event}' },
      toUser: (index) => ({ path: `/emit/${index}`, headers: [], body: 'data: {event}' }),
    };
  },
};
