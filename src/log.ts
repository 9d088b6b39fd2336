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

/** Recipients of an entry: one user, several, or `undefined` for everyone on the channel. */
export type Recipients = string | ReadonlySet<string> | undefined;

export interface Entry {
  /** Place in the one order of all channels; increases within a log. */
  readonly n: number;
  readonly to: Recipients;
  /** The encoded frame; never changed. */
  readonly bytes: Buffer;
  /** When it was appended, in seconds of a monotonic clock. */
  readonly time: number;
}

/** What an entry costs besides its bytes: object, Buffer and backing store, in bytes. */
export const ENTRY_OVERHEAD_BYTES = 400;

// Evicted slots at the front are given back when they outnumber both this and the living.
const COMPACT_AT = 64;

export class ChannelLog {
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  /** Bytes held, overhead included. */
  bytes = 0;
  /** Number of the newest entry that is no longer here; readers before it have missed something. */
  evictedThrough = 0;

  get count(): number {
    return this.#entries.length - this.#first;
  }

  get oldest(): Entry | undefined {
    return this.#entries[this.#first];
  }

  append(entry: Entry): void {
    this.#entries.push(entry);
    this.bytes += cost(entry);
  }

  /** Drops the oldest entry. */
  evict(): void {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return;
    this.#entries[this.#first] = undefined;
    this.#first += 1;
    this.bytes -= cost(entry);
    this.evictedThrough = entry.n;
    if (this.#first > COMPACT_AT && this.#first * 2 > this.#entries.length) this.#compact();
  }

  /**
   * Every entry after number `n`, oldest first. Readers are nearly always close behind the newest,
   * so the search goes backwards from there.
   */
  after(n: number): readonly Entry[] {
    const entries = this.#entries;
    let i = entries.length;
    while (i > this.#first && entries[i - 1]!.n > n) i -= 1;
    return entries.slice(i) as Entry[];
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}

/** What an entry counts for in the memory budget, in bytes. */
export const cost = (entry: Entry): number => entry.bytes.length + ENTRY_OVERHEAD_BYTES;
