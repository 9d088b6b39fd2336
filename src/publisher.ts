/**
 * Gives events their ids. `Publisher` is the seam for more cores and more machines: whoever holds
 * the one order of events implements it, and hands numbered entries to each hub.
 */
import { formatEventId } from './event-id.ts';
import { encodeEvent, encodeRaw } from './frame.ts';
import type { NewEntry } from './hub.ts';
import type { Recipients } from './log.ts';

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

/** The order of a single process: a counter. */
export class LocalPublisher implements Publisher {
  readonly #epoch: string;
  readonly #append: (entry: NewEntry) => number;
  #n: number;

  /** `head`: the newest number given out already in this epoch. */
  constructor(epoch: string, head: number, append: (entry: NewEntry) => number) {
    this.#epoch = epoch;
    this.#n = head;
    this.#append = append;
  }

  publish({ to, channels, content }: OutgoingEvent): Published {
    const n = this.#n + 1;
    const id = formatEventId(this.#epoch, n);
    const bytes =
      content.kind === 'raw'
        ? encodeRaw(content.payload, id)
        : encodeEvent(content.data, content.event, id);
    const streams = this.#append({ n, to, channels, bytes });
    this.#n = n; // only now: an entry that was refused has no number
    return { id, streams };
  }
}
