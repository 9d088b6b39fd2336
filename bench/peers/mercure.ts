/**
 * Mercure: the hub of the Symfony world, a Caddy module in Go.
 * A release binary from its project page, on PATH as `mercure` or named by MERCURE_BIN.
 */
import { writeFileSync } from 'node:fs';
import { SECRET, sign } from '../../test/support/tokens.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { idIn, type Peer, type Publication, type RunningPeer } from '../support/peer.ts';
import { output, programPath, quietly, startOnPort, temporaryFolder } from './program.ts';

/** Where updates go on their way to streams: a line of the configuration, given the folder for files. */
type Transport = (folder: string) => string;

const program = (): string | undefined => programPath('mercure', 'MERCURE_BIN');

/** The site is named by its port alone: one with an address answers every other Host with an empty 200. */
const caddyfile = (folder: string, port: number, transport: string): string => `
{
  admin off
  auto_https off
  persist_config off
  storage file_system ${folder}
  log {
    level ERROR
  }
}
http://:${port} {
  bind 127.0.0.1
  route {
    mercure {
      publisher_jwt ${SECRET} HS256
      subscriber_jwt ${SECRET} HS256
      transport ${transport}
    }
  }
}
`;

const bearer = (claims: object): string =>
  `Authorization: Bearer ${sign(JSON.stringify({ mercure: claims }))}`;

/** What is for one user is private: only a token that names its topic may hear it. */
function subscription(index: number) {
  const topic = `user-${index}`;
  return {
    path: `/.well-known/mercure?topic=chat&topic=${topic}`,
    headers: [bearer({ subscribe: [topic] })],
  };
}

const publication = (fields: string): Publication => ({
  path: '/.well-known/mercure',
  headers: ['Content-Type: application/x-www-form-urlencoded', bearer({ publish: ['*'] })],
  body: `${fields}&data={event}`,
});

async function start(owner: Cleanup, name: string, transport: Transport): Promise<RunningPeer> {
  const folder = temporaryFolder(owner, 'mercure');
  const file = `${folder}/Caddyfile`;
  const run = [program()!, 'run', '--config', file, '--adapter', 'caddyfile'] as const;
  const command = (port: number) => {
    writeFileSync(file, caddyfile(folder, port, transport(folder)));
    return quietly(`${folder}/log`, run);
  };
  return {
    ...(await startOnPort(owner, name, command)),
    subscribe: subscription,
    broadcast: publication('topic=chat'),
    toUser: (index) => publication(`topic=user-${index}&private=on`),
  };
}

function missing(): string | undefined {
  if (program() !== undefined) return undefined;
  return 'no `mercure` on PATH and no MERCURE_BIN (a release from https://mercure.rocks)';
}

/** `mercure version` tells that of the Caddy it is built into. */
const version = (): string =>
  /^http\.handlers\.mercure (\S+)/m.exec(output(program()!, 'list-modules', '--versions'))?.[1] ??
  'unknown';

const SETTINGS =
  'all cores, a JWT verified for each stream (HS256, topics of everyone and the user) and for each publish';

const inMemory: Transport = () => 'local';
const onDisk: Transport = (folder) => `bolt {
        path ${folder}/history.db
        size 1000
      }`;

export const mercure: Peer = {
  name: 'Mercure',
  settings: `transport \`local\`, which keeps no history; ${SETTINGS}`,
  version,
  missing,
  start: (owner) => start(owner, 'Mercure', inMemory),
};

/** The default: history in a file, written with each publish. */
export const mercureBolt: Peer = {
  name: 'Mercure, bolt',
  settings: `transport \`bolt\`, 1,000 events on disk; ${SETTINGS}`,
  version,
  missing,
  start: async (owner) => ({
    ...(await start(owner, 'Mercure, bolt', onDisk)),
    resume: (seen) => (index) => {
      const { path, headers } = subscription(index);
      return { path, headers: [...headers, `Last-Event-ID: ${idIn(seen)}`] };
    },
  }),
};
