/** Limits on the open files of one process, with Linux' own prlimit. */
import { execFileSync } from 'node:child_process';
import { cpuSeconds } from './process-facts.ts';
import { eventually } from './wait.ts';

const CPU_WINDOW_MS = 3_000;

/** The hard limit stays, so that the soft one can be raised again. */
export const limitFiles = (pid: number, files: number): Buffer =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);

/** Environment of a process that does to itself what `limitFiles` does, before anything else is loaded. */
export function limitedTo(files: number): NodeJS.ProcessEnv {
  const script = `import { execFileSync } from 'node:child_process';
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=${files}:']);`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

/** The share of a core used over the next seconds. */
export async function cpuShare(pid: number): Promise<number> {
  const [began, used] = [performance.now(), cpuSeconds(pid)];
  await eventually(() => performance.now() - began >= CPU_WINDOW_MS, {
    withinMs: CPU_WINDOW_MS * 2,
  });
  return ((cpuSeconds(pid) - used) * 1_000) / (performance.now() - began);
}
