/** Not a rival: a handler of the addon that our server stands on, which only answers: the most that emits can reach. */
import { fileURLToPath } from 'node:url';
import { freePort, startChild } from '../support/child.ts';
import type { Peer } from '../support/peer.ts';
import { CEILING } from '../support/ratios.ts';
import { publicationFor } from './tidings.ts';

const PROGRAM = fileURLToPath(new URL('./addon-server.js', import.meta.url));

/** It has no streams: for scenarios that only count answers. */
export const addon: Peer = {
  name: CEILING,
  settings:
    '`bench/peers/addon-server.ts`: uWebSockets.js reads the body and answers as our emit does, nothing else',
  missing: () => undefined,
  async start(owner) {
    const port = await freePort();
    const { pid } = await startChild(owner, [process.execPath, PROGRAM, String(port)], [port]);
    const at = { host: '127.0.0.1', port };
    return {
      name: CEILING,
      pids: [pid!],
      stream: at,
      emit: at,
      subscribe: () => {
        throw new Error(`${CEILING} has no streams: leave it out of this scenario`);
      },
      broadcast: publicationFor('*'),
    };
  },
};
