/**
 * One channel's retained entries, oldest first, and nothing else: no streams, no clock of its own.
 *
 *   evictedThrough      entries                       (appended here)
 *        │   ┌────┬────┬────┬────┬────┐
 *   …  9 │   │ 10 │ 13 │ 14 │ 20 │ 21 │ ◀──
 *            └────┴────┴────┴────┴────┘
 *
 * Numbers have holes, since one counter serves all channels. A reader is a number: it has had
 * everything up to and including that number.
 */

import { cost, type Entry } from './entry.ts';

// Evicted slots at the front are given back when they outnumber both this and the living.
const COMPACT_AT = 64;

export class ChannelLog {
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  /** What its entries cost, those that other logs hold too included, in bytes. */
  bytes = 0;
  /** Newest number evicted, whoever it was for: a reader that has had it has missed nothing. */
  evictedThrough = 0;
  /** Newest number evicted that was for everyone, or for users who are no longer known. */
  evictedForEveryone = 0;

  /** Number of the newest entry so far, also when it is evicted. */
  newestNumber = 0;

  get count(): number {
    return this.#entries.length - this.#first;
  }

  get oldest(): Entry | undefined {
    return this.#entries[this.#first];
  }

  append(entry: Entry): void {
    this.#entries.push(entry);
    this.newestNumber = entry.n;
    this.bytes += cost(entry);
  }

  /** Drops the oldest entry and returns it. */
  evict(): Entry | undefined {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return undefined;
    this.#dropFirst();
    this.#evicted(entry);
    return entry;
  }

  /**
   * Drops the entry with this number and returns it; undefined when it is not here. Costs a move for each
   * entry on its shorter side.
   */
  evictNumber(n: number): Entry | undefined {
    const entries = this.#entries;
    const at = this.#indexAfter(n) - 1;
    const entry = entries[at];
    if (entry?.n !== n) return undefined;
    if (at - this.#first < entries.length - at) {
      for (let i = at; i > this.#first; i -= 1) entries[i] = entries[i - 1];
      this.#dropFirst();
    } else {
      for (let i = at + 1; i < entries.length; i += 1) entries[i - 1] = entries[i];
      entries.pop();
    }
    this.#evicted(entry);
    return entry;
  }

  #dropFirst(): void {
    this.#entries[this.#first] = undefined;
    this.#first += 1;
    if (this.#first > COMPACT_AT && this.#first * 2 > this.#entries.length) this.#compact();
  }

  #evicted(entry: Entry): void {
    this.bytes -= cost(entry);
    // A prefix may know of newer ones: what a channel below it had evicted before.
    this.evictedThrough = Math.max(this.evictedThrough, entry.n);
    if (entry.to === undefined)
      this.evictedForEveryone = Math.max(this.evictedForEveryone, entry.n);
  }

  /** The entries after number `n`, oldest first, until they pass `maxBytes`; at least one if there is one. */
  after(n: number, maxBytes = Number.POSITIVE_INFINITY): Entry[] {
    const entries = this.#entries;
    const found: Entry[] = [];
    let bytes = 0;
    for (let i = this.#indexAfter(n); i < entries.length && bytes < maxBytes; i += 1) {
      found.push(entries[i]!);
      bytes += entries[i]!.bytes.length;
    }
    return found;
  }

  get newest(): Entry | undefined {
    return this.#entries.at(-1);
  }

  #indexAfter(n: number): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.n > n) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Takes over that something was evicted through `n`, nobody knows for whom. */
  assumeEvictedThrough(n: number): void {
    this.evictedForEveryone = Math.max(this.evictedForEveryone, n);
    this.evictedThrough = Math.max(this.evictedThrough, n);
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}
