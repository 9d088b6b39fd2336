/**
 * From when an event was appended until the last of its streams was written to. Nothing is kept of an
 * event alone: those appended between two turns of the flusher are a lot, which is timed from the
 * first of them, so that an emit costs a comparison and a flush two looks at the clock.
 */
import { Histogram } from './histogram.ts';

/** Lots that wait for their last write, at most; past it the newest one takes in what comes. */
export const MAX_LOTS = 1_024;

interface Lot {
  /** The newest of its events. */
  through: number;
  count: number;
  /** Milliseconds. */
  readonly since: number;
  readonly trace: string | undefined;
}

export class Lots {
  readonly times = new Histogram();
  /** For how long events have been under way when they are appended here, in milliseconds. */
  ageMs = 0;
  readonly #now: () => number;
  #waiting: Lot[] = [];
  #isOpen = false;
  #newest = 0;

  /** `now` is in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Event `n` is to be written to somebody. Hot path: for each stream that is told of by name. */
  marked(n: number, trace: string | undefined): void {
    if (n === this.#newest) return;
    this.#newest = n;
    const isFull = this.#waiting.length >= MAX_LOTS;
    // One that is traced is timed for itself.
    if ((this.#isOpen && trace === undefined) || isFull) return this.#join(n);
    this.#waiting.push({ through: n, count: 1, since: this.#now() - this.ageMs, trace });
    this.#isOpen = trace === undefined;
  }

  /** A turn of the flusher is over, at `now`: streams have had everything through this number. */
  flushed(through: number, now: number): void {
    this.#isOpen = false;
    let done = 0;
    for (const { through: last, count, since, trace } of this.#waiting) {
      if (last > through) break;
      this.times.add((now - since) / 1_000, count, trace);
      done += 1;
    }
    if (done > 0) this.#waiting = this.#waiting.slice(done);
  }

  #join(n: number): void {
    const lot = this.#waiting.at(-1)!;
    lot.through = n;
    lot.count += 1;
  }
}
