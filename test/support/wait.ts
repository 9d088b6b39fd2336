/** Waiting for things with a deadline. Tests never sleep for a length of time and hope. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

export interface Deadline {
  readonly withinMs?: number;
  readonly what?: string;
}

/** Polls until `check` returns something truthy, and returns it; rejects with the last value seen. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { withinMs = 5_000, what = 'a condition' }: Deadline = {},
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > end) {
      throw new Error(`waited ${withinMs} ms for ${what}; last value: ${JSON.stringify(value)}`);
    }
    await delay(POLL_MS);
  }
}

/** Resolves with `promise`, or rejects after the deadline. */
export async function within<T>(
  promise: Promise<T>,
  { withinMs = 5_000, what = 'a promise' }: Deadline = {},
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${withinMs} ms for ${what}`)), withinMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
