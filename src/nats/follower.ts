/**
 * Takes the events of the stream in the order of their numbers, every one, and puts them where the
 * streams of this node are. It is level-triggered: whatever happens on the way, it asks again from the
 * number that it has got.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumerMessages, DeliverPolicy, type JetStreamClient } from '@nats-io/jetstream';
import { TidingsError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EntryStore } from '../publish/publisher.ts';
import { formatEventId } from '../wire/event-id.ts';
import { stamp } from '../wire/frame.ts';
import { decodeRecord, type EventRecord } from './event-record.ts';
import { STREAM } from './subjects.ts';

/** Events that may be on the way to this node. */
const MAX_AHEAD = 1_000;

/** How often the server says that nothing has happened, in milliseconds; twice no word, and it is asked anew. */
const QUIET_MS = 2_000;

/** How long a question for more events lasts, in milliseconds. */
const PULL_MS = 10_000;

const RETRY_MS = 250;

/** Where events of all nodes go. */
export interface Replica extends EntryStore {
  /** Everything through this number is gone; before anything else. */
  startBehind(head: number): void;
  /** Events through this number are gone before they came: streams that have had less are told. */
  lost(through: number): void;
}

export interface FollowerOptions {
  readonly js: JetStreamClient;
  readonly epoch: string;
  /** Everything through this number is no longer asked for. */
  readonly after: number;
  /** An event of this node has come; `streams`: how many it is for. */
  readonly came: (record: EventRecord, n: number, streams: number | Promise<number>) => void;
  readonly logger: Logger;
}

export class Follower {
  readonly #options: FollowerOptions;
  /** Everything through this number has come. */
  through: number;
  #store: Replica | undefined;
  #messages: ConsumerMessages | undefined;
  #isClosed = false;
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.through = options.after;
  }

  follow(store: Replica): void {
    this.#store = store;
    this.#running ??= this.#run();
  }

  /** Asks anew from the number that it has got. */
  restart(): void {
    this.#messages?.stop();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#messages?.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#consume();
      } catch (error) {
        this.#options.logger.warn({ error: String(error) }, 'events cannot be read from NATS');
      }
      if (!this.#isClosed) await delay(RETRY_MS);
    }
  }

  async #consume(): Promise<void> {
    const consumer = await this.#options.js.consumers.get(STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.through + 1,
    });
    if (this.#isClosed) return;
    const messages = await consumer.consume({
      max_messages: MAX_AHEAD,
      expires: PULL_MS,
      idle_heartbeat: QUIET_MS,
    });
    this.#messages = messages;
    if (this.#isClosed) messages.stop();
    for await (const { seq, data } of messages) this.#take(seq, data);
  }

  #take(n: number, data: Uint8Array): void {
    if (n <= this.through || this.#isClosed) return;
    const store = this.#store!;
    if (n > this.through + 1) this.#lost(store, n - 1);
    this.through = n;
    const record = decodeRecord(data);
    if (record === undefined) return this.#unreadable(n);
    const { to, channels, body, trace } = record;
    const bytes = stamp(body, formatEventId(this.#options.epoch, n));
    makeRoom(store, { to, channels, byteLength: bytes.length });
    store.append([{ n, to, channels, bytes, trace }]);
    this.#options.came(record, n, store.audience({ to, channels }));
  }

  #lost(store: Replica, through: number): void {
    const { through: after } = this;
    this.#options.logger.warn(
      { after, through },
      'the stream in NATS has dropped events before this node had them',
    );
    store.lost(through);
  }

  #unreadable(n: number): void {
    this.#options.logger.error(
      { n },
      'an event in NATS was not written by this version of tidings and is left out: only tidings may write below tidings.e',
    );
  }
}

// It is in the stream and has its number: what cannot be made room for is appended all the same.
function makeRoom(store: EntryStore, size: Parameters<EntryStore['admit']>[0]): void {
  try {
    store.admit(size);
  } catch (error) {
    if (!(error instanceof TidingsError)) throw error;
  }
}
