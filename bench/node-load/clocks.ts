/** Clocks before and after a run: the wall, our own CPU and that of the server's processes. */
import { readdirSync, readFileSync } from 'node:fs';
import { nowNs } from './marker.ts';

/** Linux counts a process's time in hundredths of a second for everyone who asks. */
const NS_PER_TICK = 1e7;

/** CPU in nanoseconds, but user and system time in ticks. */
export interface Sample {
  readonly wall: number;
  readonly load: number;
  readonly server: number;
  readonly user: number;
  readonly system: number;
}

/** Ticks in user space and in the kernel, ended threads included. */
function ticks(pid: number): readonly [number, number] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[11]), Number(fields[12])];
}

/**
 * The scheduler's nanoseconds of every thread; a thread that ends takes its own along. Ticks where a kernel keeps no
 * such statistics: they are coarse, and good enough for a long run.
 */
function cpuNs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  try {
    const threads = readdirSync(tasks).map((tid) =>
      Number(readFileSync(`${tasks}/${tid}/schedstat`, 'latin1').split(' ')[0]),
    );
    return threads.reduce((sum, ns) => sum + ns, 0);
  } catch {
    const [user, system] = ticks(pid);
    return (user + system) * NS_PER_TICK;
  }
}

/** Of all threads of this process. */
function ownCpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}

export function takeSample(pids: readonly number[]): Sample {
  const sample = { wall: nowNs(), load: ownCpuNs(), server: 0, user: 0, system: 0 };
  for (const pid of pids) {
    const [user, system] = ticks(pid);
    sample.server += cpuNs(pid);
    sample.user += user;
    sample.system += system;
  }
  return sample;
}
