/**
 * Over how long a page that is told of a gap should spread loading its state anew, so that a restart
 * does not send everybody to the backend at once. Notices fill a bucket that drains at the rate the
 * backend is to see; the fuller it is, the longer the spread.
 */

/** Pages that load their state in a second, at most. */
const LOADS_PER_SECOND = 200;

/** Longest spread, in seconds. */
const MAX_SPREAD_SECONDS = 60;

/**
 * Pages choose a moment at random, and the first to be told know least of how many will follow: with
 * a spread of four times the bucket a thousand at once still come at no more than the rate.
 */
const LEAD = 4;

export class Spread {
  #level = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Milliseconds for the next page that is told; `now` in seconds of a monotonic clock. */
  next(now: number): number {
    const drained = (now - this.#at) * LOADS_PER_SECOND;
    this.#at = now;
    this.#level = Math.max(0, this.#level - drained) + 1;
    const seconds = (LEAD * this.#level) / LOADS_PER_SECOND;
    return Math.ceil(Math.min(seconds, MAX_SPREAD_SECONDS) * 1_000);
  }
}
