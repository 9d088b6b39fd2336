/** Not rivals: handlers of the addon that our server stands on, which only answer: the most that can be reached with it. */
import { fileURLToPath } from 'node:url';
import type { Cleanup } from '../support/cleanup.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { CEILING } from '../support/ratios.ts';
import { startOnPort } from './program.ts';
import { publicationFor } from './tidings.ts';

const PROGRAM = fileURLToPath(new URL('./addon-server.js', import.meta.url));

const IN_TWO = `${CEILING}, 2 threads`;

async function start(owner: Cleanup, name: string, threads: number): Promise<RunningPeer> {
  const command = (port: number) =>
    [process.execPath, PROGRAM, String(port), String(threads)] as const;
  return {
    ...(await startOnPort(owner, name, command)),
    subscribe: () => ({ path: '/events/', headers: [] }),
    broadcast: publicationFor('*'),
  };
}

/** Its streams get nothing: for scenarios that only count answers. */
export const addon: Peer = {
  name: CEILING,
  settings:
    '`bench/peers/addon-server.ts`: uWebSockets.js reads the body and answers as our emit does, nothing else',
  missing: () => undefined,
  start: (owner) => start(owner, CEILING, 1),
};

/** For scenarios that only open streams. */
export const addonStreams: Peer = {
  name: IN_TWO,
  settings:
    'the same in two threads on one port; a stream is answered with our head and is kept, nothing else',
  missing: () => undefined,
  start: (owner) => start(owner, IN_TWO, 2),
};
