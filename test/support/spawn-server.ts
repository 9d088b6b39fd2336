/** The built command line as a child process: what operators run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { THREADS } from './server.ts';
import type { Owner } from './sse-client.ts';
import { SECRET } from './tokens.ts';
import { undo } from './undo.ts';
import { eventually } from './wait.ts';

export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** Longer than a node waits for NATS, in milliseconds. */
const LISTENING_MS = 40_000;

/** What a server gets to end by itself, in milliseconds. */
const STOP_MS = 8_000;

export interface SpawnedServer {
  readonly process: ChildProcess;
  /** e.g. `http://127.0.0.1:40123`, without a trailing slash */
  readonly publicUrl: string;
  readonly controlUrl: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The JSON log lines so far. */
  readonly log: () => Record<string, unknown>[];
  /** Sends the signal and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

interface Listening {
  readonly public: string;
  readonly control: string;
}

const parseLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Given to every server, except those that the caller gives. */
const DEFAULTS = {
  '-bind': '127.0.0.1:0',
  '-bindctl': '127.0.0.1:0',
  '-secret': SECRET,
  '-drain': '0',
  '-threads': THREADS,
};

const INSTEAD_OF_SECRET = ['-dev', '-secret-file', '-public-key', '-jwks'];

function withDefaults(args: readonly string[]): string[] {
  const needsNone = args.some((arg) => INSTEAD_OF_SECRET.includes(arg));
  const base = Object.entries(DEFAULTS).filter(
    ([flag]) => !args.includes(flag) && !(flag === '-secret' && needsNone),
  );
  return [...base.flat(), ...args];
}

/** Starts a server on free loopback ports, with the test secret unless it is to make one (`-dev`). */
export async function spawnServer(
  t: Owner,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<SpawnedServer> {
  const child = spawn(process.execPath, [CLI, ...withDefaults(args)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = once(child, 'exit');
  // A clean end first, since only that writes coverage.
  undo(t, async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  });
  const log = () => parseLines(stderr);
  const line = await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`server exited ${child.exitCode}: ${stderr}`);
      return log().find((entry) => entry['msg'] === 'listening');
    },
    { withinMs: LISTENING_MS, what: 'the line "listening"' },
  );
  const { public: publicUrl, control: controlUrl } = line as unknown as Listening;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    process: child,
    publicUrl,
    controlUrl,
    stdout: () => stdout,
    stderr: () => stderr,
    log,
    stop,
  };
}

/** POST /emit/ as the contract has it: form fields. Returns the parsed answer. */
export async function emit(
  controlUrl: string,
  fields: Record<string, string>,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${controlUrl}/emit/`, {
    method: 'POST',
    body: new URLSearchParams(fields),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
