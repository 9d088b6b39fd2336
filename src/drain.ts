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

/** Ends all streams within `windowMs`; 0 ends them at once. */
export async function drain(hub: Hub, windowMs: number, random = Math.random): Promise<void> {
  const farewell = (stream: Stream) =>
    hub.end(
      stream,
      'drain',
      Buffer.from(`${encodeRetry(windowMs + START_MS * (1 + random()))}:\n`),
    );
  if (windowMs === 0) for (const stream of hub.streams) farewell(stream);
  else await paced(hub, windowMs, farewell);
}

function paced(hub: Hub, windowMs: number, farewell: (stream: Stream) => void): Promise<void> {
  const sweep = new Sweep(hub.streams, windowMs, farewell);
  let last = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      sweep.step(now - last);
      last = now;
      if (hub.streams.size > 0) return;
      clearInterval(timer);
      resolve();
    }, SWEEP_STEP_MS);
  });
}
