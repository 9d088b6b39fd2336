/** A real PostgreSQL in a folder of its own, on a unix socket there; never as root. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

const VERSIONS = '/usr/lib/postgresql';

/** The user that Debian's package makes. */
const USER = 'postgres';

export interface Postgres {
  /** By which `psql` finds it. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs SQL, and returns the rows as lines. @throws Error with what psql says */
  readonly run: (sql: string) => string;
}

/** Where its programs are; undefined when it is not installed. */
function programs(): string | undefined {
  try {
    const versions = readdirSync(VERSIONS).sort((a, b) => Number(a) - Number(b));
    return versions.length === 0 ? undefined : join(VERSIONS, versions.at(-1)!, 'bin');
  } catch {
    return undefined;
  }
}

export const hasPostgres = (): boolean => programs() !== undefined;

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

function identity(): Identity {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string) => Number(spawnSync('id', [flag, USER], { encoding: 'utf8' }).stdout);
  return { uid: idOf('-u'), gid: idOf('-g') };
}

/** Stopped by `t.after`, and its folder removed. */
export async function startPostgres(t: Owner): Promise<Postgres> {
  const bin = programs();
  if (bin === undefined) throw new Error('PostgreSQL is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'tidings-pg-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const who = identity();
  if (who.uid !== undefined && who.gid !== undefined) chownSync(folder, who.uid, who.gid);
  const data = join(folder, 'data');
  const make = ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), make, { ...who, cwd: folder, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const rules = ['-c', 'listen_addresses=', '-c', 'fsync=off'];
  const args = ['-D', data, '-k', folder, ...rules];
  const child = spawn(join(bin, 'postgres'), args, { ...who, cwd: folder, stdio: 'ignore' });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGINT'); // its fast way of stopping
    await exited;
  });
  const env = { ...process.env, PGHOST: folder, PGUSER: USER, PGDATABASE: 'postgres' };
  const psql = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'];
  const ask = (sql: string) => spawnSync('psql', psql, { env, input: sql, encoding: 'utf8' });
  await eventually(() => ask('SELECT 1').status === 0, { withinMs: 20_000, what: 'PostgreSQL' });
  const run = (sql: string): string => {
    const { status, stdout, stderr } = ask(sql);
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  return { env, run };
}
