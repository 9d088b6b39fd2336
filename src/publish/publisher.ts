/**
 * Gives events their ids. `Publisher` is the seam for more cores and more machines: whoever holds
 * the one order of events implements it, and hands numbered entries to each hub.
 */
import {
  type Addressed,
  type EntrySize,
  mostBytes,
  type NewEntry,
  type Recipients,
} from '../log/entry.ts';
import { formatEventId } from '../wire/event-id.ts';
import { type Body, LateFrame, STAMP_BYTES } from '../wire/frame.ts';

/** Under which an event is emitted once, however often it is sent. */
export interface EventKey {
  readonly name: string;
  /** Of an upload under this name; undefined when the name is that of a single event. */
  readonly line?: number | undefined;
}

/** An event as its emitter gave it, encoded but for its id. */
export interface OutgoingEvent {
  readonly to: Recipients;
  /** At least one, without duplicates. */
  readonly channels: readonly string[];
  readonly body: Body;
  /** As UTF-8, where that is known: counting them is a tenth of what a line of an upload costs. */
  readonly bodyBytes?: number | undefined;
  /** After so many seconds it is told who has not had it; undefined: never. */
  readonly receiptSeconds?: number | undefined;
  /** By the emit's `traceparent`: 32 hexadecimal digits. */
  readonly trace?: string | undefined;
  /** Undefined: an event whatever was emitted before. */
  readonly key?: EventKey | undefined;
  /** Its answer is to say who is offline: that of many events has no place for it. */
  readonly namesOffline?: boolean | undefined;
}

export interface Published {
  readonly id: string;
  /** Open streams the event is meant for; of a duplicate none. */
  readonly streams: number;
  /** Users it names that have no stream and are not away; undefined when there are none, or nobody knows. */
  readonly offline?: readonly string[];
  /** Another machine did not say in time whether they are there. */
  readonly complete?: false;
  /** It was emitted before, under the same key. */
  readonly duplicate?: true;
  /** Keys that were used a while ago may be unknown: the server is new, or its memory for keys short. */
  readonly window?: 'reset' | 'short';
}

export interface Publisher {
  /** @throws TidingsError, or rejects with one */
  publish(event: OutgoingEvent): Published | Promise<Published>;
  /** All of them or, when it throws, none; with numbers that follow each other. At least one. */
  publishAll(
    events: readonly OutgoingEvent[],
  ): readonly Published[] | Promise<readonly Published[]>;
}

/** Where numbered entries go. */
export interface EntryStore {
  readonly head: number;
  /** Makes room, before the entry has a number. @throws TidingsError when there is none */
  admit(size: EntrySize): void;
  /** Takes entries in, in the order of their numbers. */
  append(entries: readonly NewEntry[]): void;
  /**
   * How many open streams something is meant for: the entry appended last, or another. A promise where
   * other threads have to take it in, and count, first.
   */
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

  publish(event: OutgoingEvent): Published | Promise<Published> {
    const bodyBytes = bodyBytesOf(event);
    this.#store.admit(sizeOf(event, bodyBytes));
    return this.#number(event, bodyBytes);
  }

  publishAll(
    events: readonly OutgoingEvent[],
  ): readonly Published[] | Promise<readonly Published[]> {
    // As one that takes as much memory as all of them.
    const bodyBytes = events.map(bodyBytesOf);
    const sizes = events.map((event, i) => mostBytes(sizeOf(event, bodyBytes[i]!)));
    const byteLength = sizes.reduce((sum, size) => sum + size, 0);
    this.#store.admit({ to: undefined, channels: [], byteLength });
    const published = events.map((event, i) => this.#number(event, bodyBytes[i]!));
    return published.some((one) => one instanceof Promise)
      ? Promise.all(published)
      : (published as Published[]);
  }

  #number(
    { to, channels, body, trace }: OutgoingEvent,
    bodyBytes: number,
  ): Published | Promise<Published> {
    this.#n += 1;
    const id = formatEventId(this.#epoch, this.#n);
    const entry = { n: this.#n, to, channels, bytes: new LateFrame(body, id, bodyBytes), trace };
    this.#store.append([entry]);
    const streams = this.#store.audience(entry);
    if (typeof streams === 'number') return { id, streams };
    return streams.then((count) => ({ id, streams: count }));
  }
}

const bodyBytesOf = ({ body, bodyBytes }: OutgoingEvent): number =>
  bodyBytes ?? Buffer.byteLength(body);

/** What it takes before it has a number. */
export const sizeOf = (event: OutgoingEvent, bodyBytes = bodyBytesOf(event)): EntrySize => ({
  to: event.to,
  channels: event.channels,
  byteLength: bodyBytes + STAMP_BYTES,
});
