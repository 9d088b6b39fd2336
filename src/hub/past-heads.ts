/** What the newest number was some time ago, roughly: it tells old ids from young ones. */

// Samples in the time that is looked back over: so fine is the answer.
const SAMPLES = 8;

export class PastHeads {
  readonly #seconds: number;
  // Oldest first; at most SAMPLES + 2, since older ones are dropped.
  #samples: { readonly time: number; readonly n: number }[] = [];
  // The last that was noted, which may be no sample: nothing need come after it.
  #lastTime = Number.POSITIVE_INFINITY;
  #lastN = 0;

  /** Looks back over `seconds`. */
  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** Number `n` was reached. */
  note(n: number, now: number): void {
    this.#lastTime = now;
    this.#lastN = n;
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.time < this.#seconds / SAMPLES) return;
    this.#samples.push({ time: now, n });
    this.#dropBefore(now - this.#seconds);
  }

  /** A number that was reached so long ago or longer; 0 when none was. */
  at(now: number): number {
    const then = now - this.#seconds;
    if (this.#lastTime <= then) return this.#lastN;
    this.#dropBefore(then);
    const oldest = this.#samples[0];
    return oldest !== undefined && oldest.time <= then ? oldest.n : 0;
  }

  #dropBefore(time: number): void {
    while (this.#samples.length > 1 && this.#samples[1]!.time <= time) this.#samples.shift();
  }
}
