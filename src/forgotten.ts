/**
 * Through which number channels had evicted when they were forgotten, so that a reader that returns
 * later still learns of its gap. Channels without evictions need no memory, and the names are bounded:
 * the oldest give way, and from then on every channel that is not known counts as they did.
 */

/** Names remembered at most. */
export const MAX_FORGOTTEN_NAMES = 10_000;

export class Forgotten {
  readonly #evictedThrough = new Map<string, number>();
  /** The newest number of those whose names have given way. */
  nameless = 0;

  add(name: string, evictedThrough: number): void {
    if (evictedThrough <= this.nameless) return;
    this.#evictedThrough.delete(name);
    this.#evictedThrough.set(name, evictedThrough);
    if (this.#evictedThrough.size <= MAX_FORGOTTEN_NAMES) return;
    const [oldest] = this.#evictedThrough;
    this.#evictedThrough.delete(oldest![0]);
    this.nameless = Math.max(this.nameless, oldest![1]);
  }

  /** What is known of a channel that comes to be again. */
  take(name: string): number {
    const known = this.#evictedThrough.get(name) ?? 0;
    this.#evictedThrough.delete(name);
    return Math.max(known, this.nameless);
  }

  get names(): Record<string, number> {
    return Object.fromEntries(this.#evictedThrough);
  }

  restore(names: Readonly<Record<string, number>>, nameless: number): void {
    this.nameless = nameless;
    for (const [name, n] of Object.entries(names)) this.add(name, n);
  }
}
