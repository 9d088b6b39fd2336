/** The system calls a process makes while something happens. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './wait.ts';

/** Why nothing can be traced here, undefined when it can. */
export function cannotTrace(): string | undefined {
  const probe = spawnSync('strace', ['-e', 'trace=none', 'true']);
  return probe.status === 0 ? undefined : 'strace is not installed or may not trace here';
}

/** The lines of `send` calls that process `pid` makes while `act` runs, in order. */
export async function sendsDuring(pid: number, act: () => Promise<void>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-strace-'));
  const file = join(folder, 'trace');
  const tracer = spawn('strace', [
    '-f',
    '-e',
    'trace=sendto,sendmsg',
    '-s',
    '4000',
    '-o',
    file,
    '-p',
    `${pid}`,
  ]);
  let notes = '';
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => (notes += text));
  const exited = once(tracer, 'exit');
  try {
    await eventually(() => notes.includes('attached'), { what: 'strace to attach' });
    await act();
  } finally {
    tracer.kill('SIGINT');
    await exited;
  }
  const lines = readFileSync(file, 'utf8').split('\n');
  rmSync(folder, { recursive: true });
  return lines.filter((line) => /send(to|msg)\(/.test(line));
}
