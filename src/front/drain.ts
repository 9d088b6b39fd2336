/**
 * Leaving: streams are ended at an even rate over a window, and each is told to come back as much
 * later, so that their return is spread over the same window.
 */

import type { Hub } from '../hub/hub.ts';
import { Slices } from '../hub/slices.ts';
import { encodeRetry } from '../wire/frame.ts';

/** Added to each stream's wait for the time the next process needs to start, at random up to this. */
const START_MS = 1_000;

/** Time between two looks at who is to end, in milliseconds. */
const STEP_MS = 50;

export interface DrainOptions {
  /** Milliseconds; 0 ends all streams at once. */
  readonly windowMs: number;
  /** Ends at once those that are left. */
  readonly hasten?: AbortSignal;
  readonly random?: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/** Ends all streams within a window; resolves when the last is over. None may open any more. */
export async function drain(hub: Hub, options: DrainOptions): Promise<void> {
  const { windowMs, hasten, random = Math.random, now = () => performance.now() } = options;
  // Each has its moment, by its place in this list: those that leave before it change nothing for
  // the others.
  const streams = [...hub.streams];
  const began = now();
  const isHasty = () => windowMs === 0 || hasten?.aborted === true;
  const dueCount = () =>
    isHasty() ? streams.length : Math.floor((streams.length * (now() - began)) / windowMs);
  let count = 0;
  const work = new Slices(() => {
    if (count >= Math.min(dueCount(), streams.length)) return false;
    const wait = encodeRetry(windowMs + START_MS * (1 + random()));
    hub.end(streams[count++]!, 'drain', Buffer.from(`${wait}:\n`));
    return true;
  });
  await runUntil(() => count === streams.length || hub.streams.size === 0, work);
}

function runUntil(isDone: () => boolean, work: Slices): Promise<void> {
  return new Promise((resolve) => {
    const step = () => {
      work.run();
      if (isDone()) resolve();
      else setTimeout(step, STEP_MS);
    };
    step();
  });
}
