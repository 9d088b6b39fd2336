/** What is kept of an event, and what it costs. */

import type { LateBytes } from '../wire/frame.ts';

/** Recipients of an entry: one user, several, or `undefined` for everyone on the channel. */
export type Recipients = string | ReadonlySet<string> | undefined;

/** Whether a user is one of them. */
export const isFor = (to: Recipients, user: string): boolean =>
  to === undefined || (typeof to === 'string' ? to === user : to.has(user));

export class Entry {
  /** Place in the one order of all channels; increases within a log. */
  readonly n: number;
  readonly to: Recipients;
  /** Of its frame. */
  readonly byteLength: number;
  /** When it was appended, in seconds of a monotonic clock. */
  readonly time: number;
  /** Logs that hold it. Owned by `Retention`. */
  logs = 0;
  /** Streams that are in the middle of it. Owned by `Retention`. */
  readers = 0;
  #bytes: Buffer | undefined;
  /** Until it has bytes. */
  #late: LateBytes | undefined;

  constructor({ n, to, bytes }: Pick<NewEntry, 'n' | 'to' | 'bytes'>, time: number) {
    this.n = n;
    this.to = to;
    this.byteLength = bytes.length;
    this.time = time;
    if (bytes instanceof Uint8Array) this.#bytes = bytes;
    else this.#late = bytes;
  }

  /** The encoded frame; never changed. */
  get bytes(): Buffer {
    this.encode();
    return this.#bytes!;
  }

  /** From now on it has its bytes. */
  encode(): void {
    if (this.#late === undefined) return;
    this.#bytes = this.#late.encode();
    this.#late = undefined;
  }

  /** Its bytes are still to be made. */
  get isLate(): boolean {
    return this.#late !== undefined;
  }
}

/** What an entry costs besides its bytes: object, Buffer and backing store, in bytes. */
export const ENTRY_OVERHEAD_BYTES = 400;

/** What each of several recipients costs besides its characters, in bytes. */
const RECIPIENT_OVERHEAD_BYTES = 80;

/** Who something is for. */
export interface Addressed {
  /** Without duplicates. */
  readonly channels: readonly string[];
  readonly to: Recipients;
}

/** An entry on its way into the logs: it has its number already. */
export interface NewEntry extends Addressed {
  readonly n: number;
  /** Encoded, or still to be. */
  readonly bytes: Buffer | LateBytes;
  /** Of the emit, by its `traceparent`: 32 hexadecimal digits. */
  readonly trace?: string | undefined;
}

/** What is known of an entry before it has a number. */
export interface EntrySize extends Addressed {
  /** Of its frame, at most. */
  readonly byteLength: number;
}

/** What an entry counts for in the memory budget, in bytes. */
export const cost = ({ byteLength, to }: Entry): number => costOf(byteLength, to);

function costOf(byteLength: number, to: Recipients): number {
  let total = byteLength + ENTRY_OVERHEAD_BYTES;
  if (typeof to === 'object')
    for (const user of to) total += user.length + RECIPIENT_OVERHEAD_BYTES;
  return total;
}

/** What a channel with entries costs besides them: map slots, sets, log, in bytes. */
export const CHANNEL_OVERHEAD_BYTES = 1_000;

/** What the place of an entry costs in each log but the first that holds it, in bytes: its list grows by doubling. */
export const PLACE_BYTES = 16;

/** What an entry counts for in the budget at most, in bytes, before it is in these channels' logs. */
export const mostBytes = ({ byteLength, to, channels }: EntrySize): number =>
  costOf(byteLength, to) + channels.length * (CHANNEL_OVERHEAD_BYTES + PLACE_BYTES);
