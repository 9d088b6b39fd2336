/**
 * Gives events their ids. `Publisher` is the seam for more cores and more machines: whoever holds
 * the one order of events implements it, and hands numbered entries to each hub.
 */
import type { NewEntry, Recipients } from './entry.ts';
import { formatEventId } from './event-id.ts';
import { encodeEvent, encodeRaw } from './frame.ts';

/** An event as its emitter gave it. */
export interface OutgoingEvent {
  readonly to: Recipients;
  /** At least one, without duplicates. */
  readonly channels: readonly string[];
  readonly content: EventContent;
}

export type EventContent =
  | { readonly kind: 'raw'; readonly payload: string }
  | { readonly kind: 'structured'; readonly data: string; readonly event: string | undefined };

export interface Published {
  readonly id: string;
  /** Open streams the event is meant for. */
  readonly streams: number;
}

export interface Publisher {
  publish(event: OutgoingEvent): Published | Promise<Published>;
}

/** Where numbered entries go. */
export interface EntryStore {
  readonly head: number;
  /** Makes room. @throws TidingsError when there is none; the entry has no number then */
  admit(entry: NewEntry): void;
  /** Returns how many open streams the entry is meant for. */
  append(entry: NewEntry): number;
}

/** The order of a single process: a counter. */
export class LocalPublisher implements Publisher {
  readonly #epoch: string;
  readonly #store: EntryStore;
  #n: number;

  /** Counts on from the store's head. */
  constructor(epoch: string, store: EntryStore) {
    this.#epoch = epoch;
    this.#n = store.head;
    this.#store = store;
  }

  publish({ to, channels, content }: OutgoingEvent): Published {
    const n = this.#n + 1;
    const id = formatEventId(this.#epoch, n);
    const bytes =
      content.kind === 'raw'
        ? encodeRaw(content.payload, id)
        : encodeEvent(content.data, content.event, id);
    const entry = { n, to, channels, bytes };
    this.#store.admit(entry);
    this.#n = n;
    return { id, streams: this.#store.append(entry) };
  }
}
