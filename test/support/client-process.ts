/** A client that is a program of its own: its output, as it comes, and its exit code. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Owner } from './sse-client.ts';
import { within } from './wait.ts';

export interface ClientProcess {
  stderr(): string;
  /** Resolves with the exit code, or rejects after the deadline. */
  exited(withinMs?: number): Promise<number | null>;
  close(): void;
}

/** Runs the program; `onOutput` gets each piece of standard output at the moment it arrives. */
export function runClient(
  t: Owner,
  [program, ...args]: readonly [string, ...string[]],
  onOutput: (text: string) => void,
): ClientProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', onOutput);
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close') as Promise<[number | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const exited = async (withinMs = 15_000) =>
    (await within(closed, { withinMs, what: program }))[0];
  return { stderr: () => stderr, exited, close: () => void child.kill('SIGTERM') };
}
