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

// A ring is made smaller when three quarters of it are empty, but not below this; the first one has fewer places.
const SHRINK_ABOVE = 64;
const FIRST_PLACES = 4;

export class ChannelLog {
  // A ring, whose length is a power of two. A list that is cut at its front and grows at its end would be
  // made anew again and again, and what is thrown away lies in V8's space for old objects.
  #ring: (Entry | undefined)[] = [];
  #first = 0;
  #count = 0;
  /** What its entries cost, those that other logs hold too included, in bytes. */
  bytes = 0;
  /** Newest number evicted, whoever it was for: a reader that has had it has missed nothing. */
  evictedThrough = 0;
  /** Newest number evicted that was for everyone, or for users who are no longer known. */
  evictedForEveryone = 0;

  /** Number of the newest entry so far, also when it is evicted. */
  newestNumber = 0;

  get count(): number {
    return this.#count;
  }

  get oldest(): Entry | undefined {
    return this.#ring[this.#first];
  }

  /** Hot path. */
  append(entry: Entry): void {
    if (this.#count === this.#ring.length) this.#resize(this.#count * 2 || FIRST_PLACES);
    this.#ring[this.#place(this.#count)] = entry;
    this.#count += 1;
    this.newestNumber = entry.n;
    this.bytes += cost(entry);
  }

  /** In front of the others: it is older than they. */
  prepend(entry: Entry): void {
    if (this.#count === this.#ring.length) this.#resize(this.#count * 2 || FIRST_PLACES);
    this.#first = this.#place(-1);
    this.#ring[this.#first] = entry;
    this.#count += 1;
    this.newestNumber = Math.max(this.newestNumber, entry.n);
    this.bytes += cost(entry);
  }

  /** Drops the oldest entry and returns it. Hot path: a channel that is full drops one for each that comes. */
  evict(): Entry | undefined {
    const entry = this.#ring[this.#first];
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
    const at = this.#indexAfter(n) - 1;
    const entry = at < 0 ? undefined : this.#at(at);
    if (entry?.n !== n) return undefined;
    if (at < this.#count - at) {
      for (let i = at; i > 0; i -= 1) this.#ring[this.#place(i)] = this.#at(i - 1);
      this.#dropFirst();
    } else {
      for (let i = at + 1; i < this.#count; i += 1) this.#ring[this.#place(i - 1)] = this.#at(i);
      this.#dropLast();
    }
    this.#evicted(entry);
    return entry;
  }

  #dropFirst(): void {
    this.#ring[this.#first] = undefined;
    this.#first = this.#place(1);
    this.#dropped();
  }

  #dropLast(): void {
    this.#ring[this.#place(this.#count - 1)] = undefined;
    this.#dropped();
  }

  #dropped(): void {
    this.#count -= 1;
    const { length } = this.#ring;
    if (length > SHRINK_ABOVE && this.#count * 4 < length) this.#resize(length / 2);
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
    const found: Entry[] = [];
    let bytes = 0;
    for (let i = this.#indexAfter(n); i < this.#count && bytes < maxBytes; i += 1) {
      const entry = this.#at(i);
      found.push(entry);
      bytes += entry.byteLength;
    }
    return found;
  }

  get newest(): Entry | undefined {
    return this.#count === 0 ? undefined : this.#at(this.#count - 1);
  }

  // How many entries there are through number `n`.
  #indexAfter(n: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).n > n) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Takes over that something was evicted through `n`, nobody knows for whom. */
  assumeEvictedThrough(n: number): void {
    this.evictedForEveryone = Math.max(this.evictedForEveryone, n);
    this.evictedThrough = Math.max(this.evictedThrough, n);
  }

  /** Entry `i` of those that are here, from 0. */
  #at(i: number): Entry {
    return this.#ring[this.#place(i)]!;
  }

  #place(i: number): number {
    return (this.#first + i) & (this.#ring.length - 1);
  }

  #resize(length: number): void {
    const ring = new Array<Entry | undefined>(length);
    for (let i = 0; i < this.#count; i += 1) ring[i] = this.#at(i);
    this.#ring = ring;
    this.#first = 0;
  }
}
