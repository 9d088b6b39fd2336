/** The last streams that closed, and the last that were refused, for whoever asks why something did not arrive. */
import type { Gaps } from './gaps.ts';
import type { CloseReason } from './stream.ts';

/** Closed streams that are remembered at most. */
export const MAX_DEPARTURES = 10_000;

/** What they may take of the heap at most, names included, in bytes: with longer names they are fewer. */
export const MAX_DEPARTURE_BYTES = 2_097_152;

/** What one costs besides its names: an object, its numbers as large as they get, a slot and some to spare. */
const OVERHEAD_BYTES = 152;

/** What a text costs besides its characters. */
const TEXT_BYTES = 24;

/** What a number in a list costs, and the list. */
const NUMBER_BYTES = 8;
const LIST_BYTES = 32;

export interface Departure {
  readonly user: string;
  /** Second of the monotonic clock. */
  readonly at: number;
  /** Why it closed, or, of one that was refused, by what. */
  readonly reason: CloseReason | string;
  /** Names, with LF between them; empty of one that was refused. */
  readonly channels: string;
  readonly startedBehind: number;
  /** Everything for it through this number was written, or declared missing. */
  readonly position: number;
  /** What it was told to be missing. */
  readonly gaps: Gaps;
}

export class Departures {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #all: (Departure | undefined)[] = [];
  #first = 0;
  bytes = 0;

  constructor(maxCount = MAX_DEPARTURES, maxBytes = MAX_DEPARTURE_BYTES) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#all.length - this.#first;
  }

  /** The oldest give way. */
  note(departure: Departure): void {
    this.#all.push(departure);
    this.bytes += costOf(departure);
    while (this.count > this.#maxCount || this.bytes > this.#maxBytes) this.#drop();
  }

  /** Those of one user, newest first. */
  of(user: string, most: number): Departure[] {
    const found: Departure[] = [];
    for (let i = this.#all.length - 1; i >= this.#first && found.length < most; i -= 1)
      if (this.#all[i]!.user === user) found.push(this.#all[i]!);
    return found;
  }

  /** All of them, in no order that counts. */
  *all(): Generator<Departure> {
    for (let i = this.#first; i < this.#all.length; i += 1) yield this.#all[i]!;
  }

  #drop(): void {
    this.bytes -= costOf(this.#all[this.#first]!);
    this.#all[this.#first] = undefined;
    this.#first += 1;
    if (this.#first * 4 < this.#all.length) return;
    this.#all = this.#all.slice(this.#first);
    this.#first = 0;
  }
}

// The reasons are the same few texts.
const costOf = ({ user, channels, gaps }: Departure): number =>
  OVERHEAD_BYTES +
  bytesOf(user) +
  bytesOf(channels) +
  (gaps.length === 0 ? 0 : LIST_BYTES + NUMBER_BYTES * gaps.length);

const bytesOf = (text: string): number =>
  TEXT_BYTES + (BEYOND_LATIN1.test(text) ? 2 : 1) * text.length;

const BEYOND_LATIN1 = /[^\0-\xff]/;
