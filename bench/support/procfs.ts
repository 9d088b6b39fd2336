/** What the kernel says about processes and about itself. Linux only; so is the whole benchmark. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const READING_EVERY_MS = 250;
const READINGS_MOST = 24;

/**
 * What processes have written to memory, in KiB: of a page that several map, such as those of nginx's workers, each its
 * share. Pages of files are left out: the share of a program's code changes when anyone starts or ends the same program.
 */
export function memoryKib(pids: readonly number[]): number {
  const shares = pids.flatMap((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return [...rollup.matchAll(/^Pss_(?:Anon|Shmem):\s+(\d+) kB/gm)].map(([, kib]) => Number(kib));
  });
  return shares.reduce((sum, kib) => sum + kib, 0);
}

/** Memory once three readings agree within 1 %, or after the last of `READINGS_MOST`. */
export async function settledKib(pids: readonly number[]): Promise<number> {
  const readings: number[] = [];
  for (let i = 0; i < READINGS_MOST; i++) {
    readings.push(memoryKib(pids));
    const last = readings.slice(-3);
    if (last.length === 3 && Math.max(...last) - Math.min(...last) < last[0]! / 100) break;
    await delay(READING_EVERY_MS);
  }
  return readings.at(-1)!;
}

let pageKib: number | undefined;

/**
 * What the kernel holds for all processes of the machine, in KiB: structures such as sockets, inodes and entries of
 * epoll, and the bytes in TCP sockets. It does not say whose they are.
 */
export function kernelKib(): number {
  pageKib ??= Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })) / 1024;
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const sockstat = readFileSync('/proc/net/sockstat', 'utf8');
  const slabKib = Number(/^Slab:\s+(\d+) kB/m.exec(meminfo)?.[1]);
  const socketPages = Number(/^TCP:.* mem (\d+)/m.exec(sockstat)?.[1]);
  return slabKib + socketPages * pageKib;
}

/** Pids of the direct children of `pid`, such as nginx's workers. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}
