/** What the kernel says about a process. Linux only; so is the whole benchmark. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Resident memory in KiB: user space only, the kernel's socket buffers are not in it. */
export function residentKib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}

/** Resident memory once three readings half a second apart agree within 1 %, or after ten seconds. */
export async function settledKib(pid: number): Promise<number> {
  const readings: number[] = [];
  for (let i = 0; i < 20; i++) {
    readings.push(residentKib(pid));
    const last = readings.slice(-3);
    if (last.length === 3 && Math.max(...last) - Math.min(...last) < last[0]! / 100) break;
    await delay(500);
  }
  return readings.at(-1)!;
}

/** Pids of the direct children of `pid`, such as nginx's workers. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}
