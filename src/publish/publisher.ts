/**
 * Gives events their ids. `Publisher` is the seam for more cores and more machines: whoever holds
 * the one order of events implements it, and hands numbered entries to each hub.
 */
import type { Addressed, EntrySize, NewEntry, Recipients } from '../log/entry.ts';
import { formatEventId } from '../wire/event-id.ts';
import { type Body, STAMP_BYTES, stamp } from '../wire/frame.ts';

/** An event as its emitter gave it, encoded but for its id. */
export interface OutgoingEvent {
  readonly to: Recipients;
  /** At least one, without duplicates. */
  readonly channels: readonly string[];
  readonly body: Body;
  /** After so many seconds it is told who has not had it; undefined: never. */
  readonly receiptSeconds?: number | undefined;
  /** What has the same key on the same channels within two minutes is one event; only with NATS. */
  readonly key?: string | undefined;
  /** By the emit's `traceparent`: 32 hexadecimal digits. */
  readonly trace?: string | undefined;
}

export interface Published {
  readonly id: string;
  /** Open streams the event is meant for. */
  readonly streams: number;
  /** Users it names that have no stream and are not away; undefined when there are none, or nobody knows. */
  readonly offline?: readonly string[];
}

export interface Publisher {
  publish(event: OutgoingEvent): Published | Promise<Published>;
}

/** Where numbered entries go. */
export interface EntryStore {
  readonly head: number;
  /** Makes room, before the entry has a number. @throws TidingsError when there is none */
  admit(size: EntrySize): void;
  /** Takes entries in, in the order of their numbers. */
  append(entries: readonly NewEntry[]): void;
  /** How many open streams the newest entry is meant for. A promise where others have to take it in first. */
  audience(address: Addressed): number | Promise<number>;
}

/** The order of a single process: a counter. */
export class Sequencer implements Publisher {
  readonly #epoch: string;
  readonly #store: EntryStore;
  #n: number;

  /** Counts on from the store's head. */
  constructor(epoch: string, store: EntryStore) {
    this.#epoch = epoch;
    this.#n = store.head;
    this.#store = store;
  }

  publish({ to, channels, body, trace }: OutgoingEvent): Published | Promise<Published> {
    const byteLength = Buffer.byteLength(body) + STAMP_BYTES;
    this.#store.admit({ to, channels, byteLength });
    this.#n += 1;
    const id = formatEventId(this.#epoch, this.#n);
    const entry = { n: this.#n, to, channels, bytes: stamp(body, id), trace };
    this.#store.append([entry]);
    const streams = this.#store.audience(entry);
    if (typeof streams === 'number') return { id, streams };
    return streams.then((count) => ({ id, streams: count }));
  }
}
