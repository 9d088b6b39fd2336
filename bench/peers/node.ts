/** The peers written in Node, which come with `npm ci`: node:http by hand, and the library better-sse. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tokenFor } from '../../test/support/tokens.ts';
import { ROOT } from '../support/build.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { idIn, type Peer, type Publication, type RunningPeer } from '../support/peer.ts';
import { startOnPort } from './program.ts';

const program = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

const authorization = (index: number): string =>
  `Authorization: Bearer ${tokenFor(`user-${index}`, 'chat')}`;

const publicationTo = (query: string): Publication => ({
  path: `/publish${query}`,
  headers: ['Content-Type: text/plain'],
  body: '{event}',
});

async function start(owner: Cleanup, name: string, server: string): Promise<RunningPeer> {
  const command = (port: number) => [process.execPath, program(server), String(port)] as const;
  return {
    ...(await startOnPort(owner, name, command)),
    subscribe: (index) => ({ path: '/', headers: [authorization(index)] }),
    broadcast: publicationTo(''),
    toUser: (index) => publicationTo(`?to=user-${index}`),
  };
}

function betterSseVersion(): string {
  const text = readFileSync(`${ROOT}node_modules/better-sse/package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const SETTINGS = 'one process, the JWT of each stream verified with the library that tidings uses';

export const nodeHttp: Peer = {
  name: 'node:http',
  settings: `\`bench/peers/node-http-server.ts\`, by hand: ${SETTINGS}, the last 1,000 events kept for 300 s`,
  missing: () => undefined,
  start: async (owner) => ({
    ...(await start(owner, 'node:http', 'node-http-server')),
    resume: (seen) => (index) => ({
      path: '/',
      headers: [authorization(index), `Last-Event-ID: ${idIn(seen)}`],
    }),
  }),
};

export const betterSse: Peer = {
  name: 'better-sse',
  version: betterSseVersion,
  settings: `\`bench/peers/better-sse-server.ts\`, its defaults: ${SETTINGS}, no history (it keeps none)`,
  missing: () => undefined,
  start: (owner) => start(owner, 'better-sse', 'better-sse-server'),
};
