/** What peers that are programs of their own have in common: where they are, their folder, their silence. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter } from 'node:path';
import { freePort, startChild } from '../support/child.ts';
import type { Cleanup } from '../support/cleanup.ts';
import type { RunningPeer } from '../support/peer.ts';

type Command = readonly [string, ...string[]];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path in the environment variable, else the first of that name on PATH; undefined when there is none. */
export function programPath(name: string, variable?: string): string | undefined {
  const given = variable === undefined ? undefined : process.env[variable];
  if (given !== undefined) return isExecutable(given) ? given : undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => `${folder}/${name}`).find(isExecutable);
}

/** What a program says of itself, on either output. */
export function output(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5_000 });
  return `${stdout}${stderr}`.trim();
}

/** A folder for configuration and logs, removed by `owner`. */
export function temporaryFolder(owner: Cleanup, name: string): string {
  const folder = mkdtempSync(`${tmpdir()}/tidings-${name}-`);
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts one process that takes streams and events on the same port, which `command` is given. */
export async function startOnPort(
  owner: Cleanup,
  name: string,
  command: (port: number) => Command,
): Promise<Pick<RunningPeer, 'name' | 'pids' | 'stream' | 'emit'>> {
  const port = await freePort();
  const { pid } = await startChild(owner, command(port), [port]);
  const at = { host: '127.0.0.1', port };
  return { name, pids: [pid!], stream: at, emit: at };
}

/** The same command under the same pid, but what it says on standard error goes to the file `log`. */
export const quietly = (log: string, command: Command): Command => [
  'sh',
  '-c',
  'exec "$@" 2>"$0"',
  log,
  ...command,
];
