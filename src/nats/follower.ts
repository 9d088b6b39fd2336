/**
 * Takes the events of the stream in the order of their numbers, every one, and puts them where the
 * streams of this node are. It is level-triggered: whatever happens on the way, it asks again from the
 * number that it has got.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumerMessages, DeliverPolicy, type JetStreamClient } from '@nats-io/jetstream';
import type { Logger } from '../logger.ts';
import type { Replica } from '../publish/replica.ts';
import { formatEventId } from '../wire/event-id.ts';
import { LateFrame } from '../wire/frame.ts';
import { decodeRecord, type EventRecord } from './event-record.ts';
import { followerPrefix } from './streams.ts';
import { STREAM } from './subjects.ts';
import type { Verdict, Witness } from './witness.ts';

/** Events that may be on the way to this node. */
const MAX_AHEAD = 1_000;

/** How often the server says that nothing has happened, in milliseconds; twice no word, and it is asked anew. */
const QUIET_MS = 2_000;

/** How long a question for more events lasts, in milliseconds. */
const PULL_MS = 10_000;

const RETRY_MS = 250;

/** How often a store that is behind is looked at, in milliseconds: until it is not, no more events are asked for. */
const BEHIND_MS = 5;

export interface FollowerOptions {
  readonly js: JetStreamClient;
  readonly epoch: string;
  /** Of this node's run, unlike any other's. */
  readonly origin: string;
  /** Everything through this number is no longer asked for. */
  readonly after: number;
  /** An event has come; `count`, called at once, says how many streams it is for. */
  readonly came: (record: EventRecord, n: number, count: () => number | Promise<number>) => void;
  /** Whether the stream still has what came last. */
  readonly verdict: (witness: Witness) => Promise<Verdict>;
  /** It does not. */
  readonly wentBack: () => void;
  readonly logger: Logger;
}

export class Follower {
  readonly #options: FollowerOptions;
  /** Everything through this number has come. */
  through: number;
  /** What came last; undefined before anything has. */
  witness: Witness | undefined;
  #store: Replica | undefined;
  #messages: ConsumerMessages | undefined;
  #isClosed = false;
  /** How often it was begun anew. */
  #asked = 0;
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

  /** Resolves when the server has given up what it kept for this node, or does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#messages?.stop();
    await this.#running;
  }

  /** What has come is more than can be handed on just now. */
  get isWaiting(): boolean {
    return this.#store?.isBehind === true;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#consume();
      } catch (error) {
        this.#options.logger.warn({ error: String(error) }, 'events cannot be read from NATS');
      }
      if (this.isWaiting) await this.#room();
      else if (!this.#isClosed) await delay(RETRY_MS);
    }
  }

  async #room(): Promise<void> {
    while (this.isWaiting && !this.#isClosed) await delay(BEHIND_MS);
  }

  async #consume(): Promise<void> {
    this.#asked += 1;
    const consumer = await this.#options.js.consumers.get(STREAM, {
      // Another each time: the one before may not be gone yet.
      name_prefix: followerPrefix(this.#options.origin) + this.#asked,
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
    void stopAtLoss(messages);
    for await (const { seq, data, info } of messages) {
      // The first since it was asked anew, by the client or here: the server may be another, or its disk.
      if (info.deliverySequence === 1 && !(await this.#isSame())) break;
      this.#take(seq, data);
      // Nothing else holds the client back: it asks for more as soon as something comes.
      if (this.isWaiting) break;
    }
    messages.stop();
    // Otherwise the server would keep it for minutes; without an answer it is gone or goes by itself.
    const isGone = consumer.delete().catch(() => {});
    if (this.#isClosed) await isGone;
  }

  // Nothing more is taken before it is known: it would come to streams as if it followed what they have.
  async #isSame(): Promise<boolean> {
    const { witness } = this;
    const { verdict, wentBack } = this.#options;
    while (witness !== undefined && !this.#isClosed) {
      const said = await verdict(witness).catch(() => 'unsure' as const);
      if (said === 'same') return true;
      if (said === 'other') {
        this.#isClosed = true;
        wentBack();
      } else await delay(RETRY_MS);
    }
    return witness === undefined;
  }

  #take(n: number, data: Uint8Array): void {
    if (n <= this.through || this.#isClosed) return;
    const store = this.#store!;
    if (n > this.through + 1) this.#lost(store, n - 1);
    this.through = n;
    this.witness = { n, data };
    const record = decodeRecord(data);
    if (record === undefined) return this.#unreadable(n);
    const { to, channels, body, trace } = record;
    const bytes = new LateFrame(body, formatEventId(this.#options.epoch, n));
    const entry = { n, to, channels, bytes, trace };
    store.append([entry]);
    this.#options.came(record, n, () => store.audience(entry));
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

/** The client recovers what is lost on the way, but asks for less each time, in the end for nothing: then it is asked anew. */
async function stopAtLoss(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) if (type === 'reset') messages.stop();
}
