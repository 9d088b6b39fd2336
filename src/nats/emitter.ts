/**
 * Gives events to the stream. An event is sent again, under one message id, until it is known to be
 * there or its time is over; NATS stores what has the same id once. It is answered for when it has come
 * back through the stream, as it comes to every node: then a quorum has it, and this node too.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createInbox, headers, type Msg } from '@nats-io/transport-node';
import {
  backplaneBusy,
  backplaneDown,
  eventTooLargeFor,
  idempotencyMismatch,
  outcomeUnknown,
} from '../errors.ts';
import { placesByKey } from '../publish/fingerprint.ts';
import {
  type EntryStore,
  type OutgoingEvent,
  type Published,
  type Publisher,
  sizeOf,
} from '../publish/publisher.ts';
import { formatEventId } from '../wire/event-id.ts';
import { parseAck } from './ack.ts';
import type { Complaints } from './complaints.ts';
import type { Link } from './connect.ts';
import { type EventRecord, encodeRecord } from './event-record.ts';
import { keyedId, type Likeness, likenessOf } from './first-of-key.ts';
import { subjectOf } from './subjects.ts';

/** How long an emit may take before it is given up, in milliseconds. Elections take up to 8 s. */
export const EMIT_MS = 10_000;

/** Emits that may be on the way at a time; past it they are refused. */
export const MAX_PENDING = 10_000;

/** Their bytes. */
export const MAX_PENDING_BYTES = 67_108_864;

/** After this an emit without an answer is sent again, in milliseconds. */
const TRY_MS = 500;

/** How long an event that NATS has taken may take to come back, in milliseconds. */
const RETURN_MS = 2_000;

/** After a server that says that the stream has no leader now, the shortest and longest wait, in milliseconds. */
const LEADERLESS_MS = [50, 250] as const;

const STEP_MS = 25;

/** Of the head of a message, besides its id: NATS counts it with the payload. */
const HEADER_BYTES = 32;

interface Outgoing {
  readonly ticket: number;
  readonly event: OutgoingEvent;
  readonly payload: Buffer;
  readonly messageId: string;
}

interface Pending extends Outgoing {
  deadline: number;
  /** When it is to be sent again. */
  dueAt: number;
  /** It was sent, and nothing is known of what became of it. */
  isSent: boolean;
  /** It was sent once and may be stored, for all that is known. */
  isUnknown: boolean;
  /** NATS has had its message id before; what it has under it is still to be looked at. */
  isInDoubt: boolean;
  /** It has the same event from another emit with the same key. */
  isDuplicate: boolean;
  /** Its number, once NATS has said it. */
  n: number | undefined;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: Error) => void;
}

export interface EmitterOptions {
  readonly link: Link;
  readonly complaints: Complaints;
  readonly epoch: string;
  /** Of this node's run, unlike any other's. */
  readonly origin: string;
  /** What the stream has under a number, as it was stored; undefined when it is dropped. Rejects when NATS does not answer. */
  readonly stored: (n: number) => Promise<Uint8Array | undefined>;
  /** Where events are admitted and counted. */
  readonly store: () => EntryStore;
  /** Everything through this number has come to this node. */
  readonly through: () => number;
}

export class Emitter implements Publisher {
  readonly #options: EmitterOptions;
  readonly #inbox = createInbox();
  readonly #pending = new Map<number, Pending>();
  #pendingBytes = 0;
  #ticket = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EmitterOptions) {
    this.#options = options;
    options.link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#acked(message);
      },
    });
  }

  /** @throws TidingsError as the store does, `BACKPLANE_BUSY`, `EVENT_TOO_LARGE`; rejects with `BACKPLANE_DOWN`, `OUTCOME_UNKNOWN` */
  publish(event: OutgoingEvent): Promise<Published> {
    return this.#give([this.#outgoing(event)])[0]!;
  }

  /**
   * One by one, when each could be sent by itself and there is room for all: NATS has no way to store all or
   * none, so that a part may be stored when this rejects; when it throws, nothing is.
   */
  publishAll(events: readonly OutgoingEvent[]): Promise<readonly Published[]> {
    placesByKey(events); // as a single node refuses them
    return Promise.all(this.#give(events.map((event) => this.#outgoing(event))));
  }

  #outgoing(event: OutgoingEvent): Outgoing {
    const { channels, key } = event;
    const { origin, store, link } = this.#options;
    store().admit(sizeOf(event));
    this.#ticket += 1;
    const ticket = this.#ticket;
    const payload = encodeRecord({ ...event, origin, ticket });
    const most = link.connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const messageId = key === undefined ? `${origin}:${ticket}` : keyedId(channels, key);
    if (payload.length + messageId.length + HEADER_BYTES > most) throw eventTooLargeFor(most);
    return { ticket, event, payload, messageId };
  }

  #give(all: readonly Outgoing[]): Promise<Published>[] {
    const bytes = all.reduce((sum, { payload }) => sum + payload.length, this.#pendingBytes);
    if (this.#pending.size + all.length > MAX_PENDING || bytes > MAX_PENDING_BYTES)
      throw backplaneBusy();
    const deadline = performance.now() + EMIT_MS;
    return all.map((outgoing) => this.#begin(outgoing, deadline));
  }

  #begin(outgoing: Outgoing, deadline: number): Promise<Published> {
    return new Promise((resolve, reject) => {
      const doubts = { isInDoubt: false, isDuplicate: false };
      const state = { dueAt: 0, isSent: false, isUnknown: false, ...doubts, n: undefined };
      const pending = { ...outgoing, deadline, ...state, resolve, reject };
      this.#pending.set(outgoing.ticket, pending);
      this.#pendingBytes += outgoing.payload.length;
      this.#send(pending);
      this.#timer ??= setInterval(this.#step, STEP_MS);
    });
  }

  /** An event has come through the stream: perhaps one of this node. */
  came({ origin, ticket }: EventRecord, n: number, count: () => number | Promise<number>): void {
    if (origin !== this.#options.origin) return;
    const pending = this.#pending.get(ticket);
    if (pending === undefined) return;
    this.#forget(pending);
    const id = formatEventId(this.#options.epoch, n);
    const counted = count();
    if (typeof counted === 'number') pending.resolve({ id, streams: counted });
    else counted.then((streams) => pending.resolve({ id, streams }), pending.reject);
  }

  /** Gives up what is still on the way. */
  close(): void {
    for (const pending of this.#pending.values()) this.#fail(pending);
  }

  #send(pending: Pending): void {
    const { connection, isUp } = this.#options.link;
    if (!isUp) {
      pending.dueAt = performance.now() + STEP_MS;
      return;
    }
    const withId = headers();
    withId.set('Nats-Msg-Id', pending.messageId);
    pending.isSent = true;
    pending.dueAt = performance.now() + TRY_MS;
    const reply = `${this.#inbox}.${pending.ticket}`;
    connection.publish(subjectOf(pending.event.channels), pending.payload, {
      reply,
      headers: withId,
    });
  }

  #acked(message: Msg): void {
    const ticket = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.get(ticket);
    if (pending === undefined || pending.n !== undefined) return;
    const ack = parseAck(message);
    if (ack.n === undefined) {
      if (ack.reason !== undefined) this.#options.complaints.tell(ack.reason);
      // This try is not stored. An earlier one may be.
      pending.isSent = false;
      const [least, most] = LEADERLESS_MS;
      pending.dueAt = performance.now() + least + Math.random() * (most - least);
      return;
    }
    pending.n = ack.n;
    if (ack.isDuplicate && pending.event.key !== undefined) return void this.#compare(pending);
    this.#awaitReturn(pending);
    // Sent again after it had come: then it is not coming again.
    if (ack.isDuplicate) this.#answerIfThere(pending);
  }

  // Without a key only what this emit sent before can be there.
  async #compare(pending: Pending): Promise<void> {
    const { stored, origin } = this.#options;
    const { ticket, event } = pending;
    pending.isInDoubt = true;
    while (this.#pending.has(ticket)) {
      try {
        const likeness = likenessOf(await stored(pending.n!), { event, origin, ticket });
        if (this.#pending.has(ticket)) this.#compared(pending, likeness);
        return;
      } catch {
        await delay(TRY_MS);
      }
    }
  }

  #compared(pending: Pending, likeness: Likeness): void {
    if (likeness === 'other') {
      this.#forget(pending);
      return pending.reject(idempotencyMismatch());
    }
    pending.isInDoubt = false;
    pending.isDuplicate = likeness === 'same';
    this.#awaitReturn(pending);
    // The first of its key may have come long ago: then it is not coming again.
    this.#answerIfThere(pending);
  }

  #awaitReturn(pending: Pending): void {
    pending.deadline = Math.min(pending.deadline, performance.now() + RETURN_MS);
    pending.dueAt = pending.deadline;
  }

  readonly #step = (): void => {
    const now = performance.now();
    for (const pending of this.#pending.values()) {
      if (now >= pending.deadline) this.#expire(pending);
      else if (pending.isInDoubt) continue;
      else if (pending.n !== undefined) this.#answerIfThere(pending);
      else if (now >= pending.dueAt) this.#again(pending);
    }
  };

  #again(pending: Pending): void {
    if (pending.isSent) pending.isUnknown = true;
    try {
      this.#send(pending);
    } catch {
      this.#fail(pending); // a server that takes less than the one before, or a connection that is closed
    }
  }

  #answerIfThere(pending: Pending): void {
    if (pending.n! <= this.#options.through()) this.#answer(pending);
  }

  #expire(pending: Pending): void {
    if (pending.n === undefined || pending.isInDoubt) this.#fail(pending);
    else this.#answer(pending);
  }

  #answer(pending: Pending): void {
    this.#forget(pending);
    const id = formatEventId(this.#options.epoch, pending.n!);
    if (pending.isDuplicate) return pending.resolve({ id, streams: 0, duplicate: true });
    const streams = this.#options.store().audience(pending.event);
    Promise.resolve(streams).then(
      (count) => pending.resolve({ id, streams: count }),
      pending.reject,
    );
  }

  #fail(pending: Pending): void {
    this.#forget(pending);
    pending.reject(pending.isSent || pending.isUnknown ? outcomeUnknown() : backplaneDown());
  }

  #forget({ ticket, payload }: Pending): void {
    this.#pending.delete(ticket);
    this.#pendingBytes -= payload.length;
    if (this.#pending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
