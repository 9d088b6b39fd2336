/**
 * Leaving: streams are ended at an even rate over a window, and each is told to come back as much
 * later, so that their return is spread over the same window.
 */
import { encodeRetry } from './frame.ts';
import type { Hub } from './hub.ts';
import type { Stream } from './stream.ts';
import { SWEEP_STEP_MS, Sweep } from './sweep.ts';

/** Added to each stream's wait for the time the next process needs to start, at random up to this. */
const START_MS = 1_000;

export interface DrainOptions {
  /** Ends all streams within this many milliseconds; 0 ends them at once. */
  readonly windowMs: number;
  /** Ends at once those that are left. */
  readonly hasten: AbortSignal;
  readonly random?: () => number;
}

/** Resolves when there is no stream left. */
export async function drain(
  hub: Hub,
  { windowMs, hasten, random = Math.random }: DrainOptions,
): Promise<void> {
  const farewell = (stream: Stream) =>
    hub.end(
      stream,
      'drain',
      Buffer.from(`${encodeRetry(windowMs + START_MS * (1 + random()))}:\n`),
    );
  if (windowMs > 0) await paced(hub, { windowMs, hasten }, farewell);
  for (const stream of hub.streams) farewell(stream);
}

function paced(
  hub: Hub,
  { windowMs, hasten }: DrainOptions,
  farewell: (stream: Stream) => void,
): Promise<void> {
  const sweep = new Sweep(hub.streams, windowMs, farewell);
  let last = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      sweep.step(now - last);
      last = now;
      if (hub.streams.size > 0 && !hasten.aborted) return;
      clearInterval(timer);
      resolve();
    }, SWEEP_STEP_MS);
  });
}
