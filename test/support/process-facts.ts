/** What Linux tells of a process from outside. */
import { readdirSync, readFileSync } from 'node:fs';

const BYTES_PER_KILOBYTE = 1_024;

/** Clock ticks a second: fixed in Linux' interface to user space. */
const TICKS = 100;

/** Resident memory, in bytes. */
export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * BYTES_PER_KILOBYTE;
}

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Processor time used so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The most that `read` returned, looked at again and again until `stop`; it keeps no process alive. */
export function watchMost(read: () => number): { stop(): number } {
  let most = read();
  const timer = setInterval(() => {
    most = Math.max(most, read());
  }, 200).unref();
  return {
    stop: () => {
      clearInterval(timer);
      return Math.max(most, read());
    },
  };
}

export const megabytesOf = (bytes: number): number => bytes / 1_048_576;

export const megabytes = (bytes: number): string => `${megabytesOf(bytes).toFixed(1)} MB`;
