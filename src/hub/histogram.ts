/** How long things took: how many of them up to each of a few times. */

/** Upper bounds of the buckets, in seconds; one more bucket takes what is above the last. */
export const TIME_BOUNDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  5, 10, 30,
] as const;

/** One of the things that were timed, by the trace it belongs to. */
export interface Exemplar {
  /** 32 hexadecimal digits. */
  readonly trace: string;
  /** Seconds it took. */
  readonly value: number;
  /** Unix seconds. */
  readonly at: number;
}

/** Plain data, so that it can cross a thread. */
export interface Times {
  /** For each bucket, not cumulative: as many as there are bounds, and one. */
  readonly counts: readonly number[];
  /** Of all that was timed, in seconds. */
  readonly sum: number;
  /** The newest of each bucket that has one. */
  readonly exemplars: Readonly<Record<number, Exemplar>>;
}

export class Histogram {
  readonly #counts = new Float64Array(TIME_BOUNDS.length + 1);
  #sum = 0;
  readonly #exemplars: Record<number, Exemplar> = {};

  /** So many things took so many seconds. */
  add(seconds: number, count = 1, trace?: string): void {
    let bucket = 0;
    while (bucket < TIME_BOUNDS.length && seconds > TIME_BOUNDS[bucket]!) bucket += 1;
    this.#counts[bucket]! += count;
    this.#sum += seconds * count;
    if (trace !== undefined)
      this.#exemplars[bucket] = { trace, value: seconds, at: Date.now() / 1_000 };
  }

  get times(): Times {
    return { counts: [...this.#counts], sum: this.#sum, exemplars: { ...this.#exemplars } };
  }
}
