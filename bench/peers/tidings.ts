/** Our own server, as operators start it. */
import { CLI } from '../../test/support/spawn-server.ts';
import { SECRET, tokenFor } from '../../test/support/tokens.ts';
import { eventually } from '../../test/support/wait.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Cleanup } from '../support/cleanup.ts';
import {
  idIn,
  type Peer,
  type Publication,
  type RunningPeer,
  type Subscription,
} from '../support/peer.ts';

const CHANNEL = 'chat';

const userId = (index: number): string => `user-${index}`;

const authorization = (index: number, channels: string | readonly string[] = CHANNEL): string =>
  `Authorization: Bearer ${tokenFor(userId(index), channels)}`;

/** Stream number `index` with a token for other channels than the one that all comparisons use. */
export const subscriptionTo = (index: number, channels: readonly string[]): Subscription => ({
  path: '/events/',
  headers: [authorization(index, channels)],
});

/** A form with `payload=data: {event}`, to everyone or to one user, as the backends of today post it. */
export const publicationFor = (to: string, ...channels: readonly string[]): Publication => ({
  path: '/emit/',
  headers: ['Content-Type: application/x-www-form-urlencoded'],
  body: `userId=${encodeURIComponent(to)}&${channelFields(channels)}&payload=data%3A%20{event}`,
});

const channelFields = (channels: readonly string[]): string =>
  (channels.length > 0 ? channels : [CHANNEL]).map((name) => `channel=${name}`).join('&');

/** As many as a process may have descriptors for; limits for a user or an address are off unless they are set. */
const ARGS = ['-max-streams', '20000', '-secret', SECRET, '-log-level', 'warn'];

/** In which the servers of different peers differ. */
interface Build {
  readonly name: string;
  /** The `cli.js` that is run. */
  readonly cli?: string;
  readonly args?: readonly string[];
}

export async function startTidings(
  owner: Cleanup,
  { name, cli = CLI, args = [] }: Build,
): Promise<RunningPeer> {
  const [port, control] = [await freePort(), await freePort()];
  const bind = ['-bind', `127.0.0.1:${port}`, '-bindctl', `127.0.0.1:${control}`];
  const child = await startChild(
    owner,
    [process.execPath, cli, ...bind, ...ARGS, ...args],
    [control],
  );
  const ready = `http://127.0.0.1:${control}/readyz`;
  // With threads it looks whether the port is free to be shared, and listens there for a moment.
  await eventually(async () => (await fetch(ready)).ok, { withinMs: 10_000, what: ready });
  return {
    name,
    pids: [child.pid!],
    stream: { host: '127.0.0.1', port },
    emit: { host: '127.0.0.1', port: control },
    subscribe: (index) => ({ path: '/events/', headers: [authorization(index)] }),
    broadcast: publicationFor('*'),
    toUser: (index) => publicationFor(userId(index)),
    bulk: {
      path: '/emit/',
      headers: ['Content-Type: application/x-ndjson'],
      line: (index, text) =>
        `{"userId":"${userId(index)}","channel":"${CHANNEL}","data":{"invoice":"${text}"}}\n`,
    },
    resume: (seen) => (index) => ({
      path: '/events/',
      headers: [authorization(index), `Last-Event-ID: ${idIn(seen)}`],
    }),
  };
}

/** The server of another build, under another name: for judging a change against what was before it. */
export const tidingsAt = (name: string, cli: string, threads = 1): Peer => ({
  name,
  settings: `defaults, ${threads === 1 ? 'one process' : `${threads} threads`}`,
  missing: () => undefined,
  start: (owner) => startTidings(owner, { name, cli, args: threadsOf(threads) }),
});

// Builds from before `-threads` do not know it.
const threadsOf = (threads: number): string[] =>
  threads === 1 ? [] : ['-threads', String(threads)];

/** With so many threads for streams beside the main one. */
export const tidingsWith = (threads: number): Peer =>
  tidingsAt(`tidings, ${threads} threads`, CLI, threads);

export const tidings: Peer = tidingsAt('tidings', CLI);
