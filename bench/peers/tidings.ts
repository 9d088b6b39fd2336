/** Our own server, as operators start it. */
import { CLI } from '../../test/support/spawn-server.ts';
import { SECRET, tokenFor } from '../../test/support/tokens.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Peer } from '../support/peer.ts';

const CHANNEL = 'chat';

/** `payload=data: {event}` as a form, to everyone or to one user. */
export const formFor = (userId: string): string =>
  `userId=${encodeURIComponent(userId)}&channel=${CHANNEL}&payload=data%3A%20{event}`;

/** The limits are lifted because every stream of a benchmark comes from a few addresses. */
const LIMITS = ['-max-streams', '-max-streams-per-user', '-max-streams-per-address'];
const ARGS = [
  ...LIMITS.flatMap((flag) => [flag, '20000']),
  '-secret',
  SECRET,
  '-log-level',
  'warn',
];

/** The server of another build, under another name: for judging a change against what was before it. */
export const tidingsAt = (name: string, cli: string): Peer => ({
  name,
  settings: 'defaults, stream limits lifted, one process',
  missing: () => undefined,
  async start(owner) {
    const [port, control] = [await freePort(), await freePort()];
    const bind = ['-bind', `127.0.0.1:${port}`, '-bindctl', `127.0.0.1:${control}`];
    const child = await startChild(
      owner,
      [process.execPath, cli, ...bind, ...ARGS],
      [port, control],
    );
    return {
      name,
      pids: [child.pid!],
      stream: { host: '127.0.0.1', port, path: '/events/' },
      emit: { host: '127.0.0.1', port: control, path: '/emit/' },
      streamHeader: (index) => `Authorization: Bearer ${tokenFor(`user-${index}`, CHANNEL)}`,
      emitHeader: 'Content-Type: application/x-www-form-urlencoded',
      broadcast: formFor('*'),
    };
  },
});

export const tidings: Peer = tidingsAt('tidings', CLI);
