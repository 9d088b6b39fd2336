/**
 * The newest entries whose bytes nobody has needed yet. One that is still kept when so many newer ones have come
 * is encoded then: outside of V8's heap it costs the collector nothing for as long as it stays.
 */
import type { Entry } from './entry.ts';

/** Entries without bytes, at most: some more than a channel keeps by default, so that a flood on one encodes nothing. */
export const MAX_UNENCODED = 1_024;

/** Bytes of their frames, at most. A frame of an upload's line may be a view of 16 KB of its body until then (`control/lines`). */
export const MAX_UNENCODED_BYTES = 1_048_576;

export class Unencoded {
  // A ring: the oldest lies at `#first`.
  readonly #ring = new Array<Entry | undefined>(MAX_UNENCODED).fill(undefined);
  #first = 0;
  #count = 0;
  #bytes = 0;

  /** Hot path. What is for several users is encoded now: here it would keep their names when it is evicted. */
  add(entry: Entry): void {
    if (typeof entry.to === 'object') return entry.encode();
    this.#bytes += entry.byteLength;
    while (this.#count === MAX_UNENCODED || this.#bytes > MAX_UNENCODED_BYTES) {
      if (this.#count === 0) return this.#encode(entry);
      this.#encode(this.#shift());
    }
    this.#ring[(this.#first + this.#count) % MAX_UNENCODED] = entry;
    this.#count += 1;
  }

  #shift(): Entry {
    const oldest = this.#ring[this.#first]!;
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) % MAX_UNENCODED;
    this.#count -= 1;
    return oldest;
  }

  #encode(entry: Entry): void {
    this.#bytes -= entry.byteLength;
    if (entry.logs > 0 || entry.readers > 0) entry.encode();
  }
}
