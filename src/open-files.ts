/** How many files the process may have open: every connection is one. */
import { readFileSync } from 'node:fs';

/** File descriptors kept free for everything that is not a public connection. */
export const RESERVED_FILES = 64;

/** An operator may change the limit of a running process (prlimit): it is read again this often, when connections come. */
const VALID_MS = 20;

/** Public connections that fit under the limit on open files. Infinity where it cannot be read (not Linux). */
export class ConnectionLimit {
  #value = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  get current(): number {
    const now = performance.now();
    if (now - this.#readAt > VALID_MS) {
      this.#readAt = now;
      this.#value = openFileLimit() - RESERVED_FILES;
    }
    return this.#value;
  }
}

function openFileLimit(): number {
  try {
    const line = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'));
    return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
