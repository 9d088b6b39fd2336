/**
 * More machines with one order: every event goes through a stream of NATS JetStream, whose numbers are
 * the numbers in ids, and comes from there to every node. So every node has the same history, and a
 * client that was on one resumes on any other.
 *
 *   POST /emit/ ──▶ emitter ──▶ JetStream ──▶ follower ──▶ hub.append        on every node alike
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Logger } from '../logger.ts';
import type { EntryStore, OutgoingEvent, Published, Publisher } from '../publish/publisher.ts';
import type { Replica } from '../publish/replica.ts';
import { Complaints } from './complaints.ts';
import { connectTo, isAtLeast, type Link, type NatsAddress } from './connect.ts';
import { Emitter } from './emitter.ts';
import { EpochKeeper, epochOf } from './epoch-record.ts';
import { Follower } from './follower.ts';
import { PastEvents } from './past-events.ts';
import { waitFor } from './patience.ts';
import { StreamLog } from './stream-log.ts';
import {
  ensureStreams,
  factsOf,
  hasOtherNodes,
  type StreamPolicy,
  type StreamState,
} from './streams.ts';
import { STREAM } from './subjects.ts';
import { Watch } from './watch.ts';
import { verdictOf, type Witness } from './witness.ts';

/** What a start reads of the stream at most, the newest of it, in events and in bytes; the rest is read when it is asked for. */
const START_EVENTS = 50_000;
const START_BYTES = 67_108_864;

/** What the server gets to give up what it keeps for this node, when that leaves, in milliseconds. */
const LEAVE_MS = 1_000;

export interface BackplaneOptions {
  readonly address: NatsAddress;
  readonly policy: StreamPolicy;
  readonly logger: Logger;
  /** The stream is another one than at the start: this node has to begin anew. */
  readonly failed: (error: Error) => void;
}

interface Parts {
  /** For events on their way here, and for everything else: answers do not wait behind events. */
  readonly inbound: Link;
  readonly outbound: Link;
  readonly complaints: Complaints;
  readonly jsm: JetStreamManager;
  readonly keeper: EpochKeeper;
  readonly facts: () => Promise<StreamState>;
  readonly epoch: string;
  /** Of this run, unlike any other's. */
  readonly origin: string;
  readonly atStart: StreamState;
  readonly hadOthers: boolean;
}

export class Backplane implements Publisher {
  /** Of the numbers of the stream. */
  readonly epoch: string;
  /** Everything through this number is no longer in the stream. */
  readonly #before: number;
  readonly #parts: Parts;
  readonly #follower: Follower;
  readonly #emitter: Emitter;
  readonly #watch: Watch;
  /** What lies below the memory of a node. */
  readonly log: StreamLog;
  #store: Replica | undefined;

  /** Waits for NATS. @throws TidingsError `CONFIG_INVALID`, `BACKPLANE_DOWN` */
  static async open(options: BackplaneOptions): Promise<Backplane> {
    const complaints = new Complaints(options.logger);
    const { replicas, maxBytes } = options.policy;
    const megabytes = Math.ceil(maxBytes / 1_048_576);
    return waitFor(async () => new Backplane(await prepare(options, complaints), options), {
      logger: options.logger,
      message: (reason) =>
        `NATS cannot be used (${reason}): see -nats, and that ${replicas} of its servers run with JetStream and have ${megabytes} MB for the stream on disk (four times -memory)`,
    });
  }

  constructor(parts: Parts, { logger, failed }: BackplaneOptions) {
    const { inbound, outbound, complaints, jsm, keeper, facts, epoch, origin } = parts;
    const { atStart, hadOthers } = parts;
    const verdict = (witness: Witness) => verdictOf(jsm, witness);
    this.#parts = parts;
    this.epoch = epoch;
    this.#before = beginningOf(atStart);
    this.#follower = new Follower({
      js: jetstream(inbound.connection),
      ...{ epoch, origin },
      after: this.#before,
      came: (record, n, count) => this.#emitter.came(record, n, count),
      verdict,
      wentBack: () => void this.#watch.wentBack(),
      logger,
    });
    const hasOthers = () => hasOtherNodes(outbound.connection, origin);
    const watched = { keeper, facts, epoch, atStart, hadOthers, hasOthers, verdict, failed };
    const isUp = () => outbound.isUp;
    this.#watch = new Watch({ ...watched, isUp, follower: this.#follower });
    const past = this.#pastEvents();
    this.log = new StreamLog({
      read: (wanted) => past.read(wanted),
      first: () => this.#watch.first,
      complaints,
      logger,
    });
    this.#emitter = new Emitter({
      link: outbound,
      complaints,
      ...{ epoch, origin },
      stored: async (n) => (await jsm.streams.getMessage(STREAM, { seq: n }))?.data,
      store: () => this.#entries,
      through: () => this.#follower.through,
    });
  }

  /** The newest number that may have been given out: a client may have it from a node that is ahead of this one. */
  get newest(): number {
    return Math.max(this.#follower.through, this.#watch.reachable);
  }

  /** Tells from now on, about once a second, which number that is. */
  onNewest(tell: (n: number) => void): void {
    this.#watch.onLook = () => tell(this.newest);
  }

  /** Whether NATS has answered lately: without it emits wait, and streams get nothing new. */
  get condition(): { name: string; ok: boolean; reason: string | undefined } {
    const ok = this.#watch.isUp;
    return { name: 'nats', ok, reason: ok ? undefined : 'no answer of NATS for 5 seconds' };
  }

  /** Puts into this store what the stream has, and from then on what comes. Resolves when it has it all. */
  async follow(store: Replica): Promise<void> {
    this.#store = store;
    store.startBehind(this.#before);
    const { last } = this.#parts.atStart;
    this.#follower.follow(store);
    this.#watch.start();
    while (this.#follower.through < last) {
      await delay(5);
      // Nothing is left of what it has not got.
      const { first } = await this.#parts.facts();
      if (first > last) return;
    }
  }

  publish(event: OutgoingEvent): Promise<Published> {
    return this.#emitter.publish(event);
  }

  publishAll(events: readonly OutgoingEvent[]): Promise<readonly Published[]> {
    return this.#emitter.publishAll(events);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#watch.stop();
    this.#emitter.close();
    this.log.close();
    const { inbound, outbound } = this.#parts;
    const isTooLong = delay(LEAVE_MS, undefined, { ref: false });
    await Promise.race([this.#follower.close(), isTooLong]);
    await Promise.all([inbound.connection.close(), outbound.connection.close()]);
  }

  #pastEvents(): PastEvents {
    const { inbound, jsm } = this.#parts;
    const server = () => inbound.connection.info;
    return new PastEvents({
      ...{ jsm, js: jetstream(inbound.connection), epoch: this.epoch },
      isUp: () => inbound.isUp,
      takesSubjects: () => isAtLeast(server()?.version ?? '', [2, 10]),
      maxMessageBytes: () => server()?.max_payload ?? 0,
    });
  }

  get #entries(): EntryStore {
    if (this.#store === undefined) throw new Error('emitted before there was a store');
    return this.#store;
  }
}

/** The number behind which a start reads. */
export function beginningOf({ first, last, bytes }: StreamState): number {
  const count = last - first + 1;
  if (count === 0) return last;
  return last - Math.ceil(count * Math.min(1, START_EVENTS / count, START_BYTES / bytes));
}

async function prepare(
  { address, policy }: BackplaneOptions,
  complaints: Complaints,
): Promise<Parts> {
  const [inbound, outbound] = await connectBoth(address, complaints);
  try {
    const jsm = await jetstreamManager(outbound.connection);
    await ensureStreams(jsm, policy);
    const facts = () => factsOf(jsm);
    const keeper = new EpochKeeper(jsm, jetstream(outbound.connection));
    const epoch = epochOf(await keeper.update(facts));
    const origin = randomBytes(9).toString('base64url');
    // Before the question: by then they have what they have given to their clients.
    const hadOthers = await hasOtherNodes(outbound.connection, origin);
    const found = { epoch, origin, hadOthers, atStart: await facts() };
    return { inbound, outbound, complaints, jsm, keeper, facts, ...found };
  } catch (error) {
    await Promise.all([inbound.connection.close(), outbound.connection.close()]);
    throw error;
  }
}

/** The connection that events come by, and the one they go by: side by side, as a silent server costs each seconds. */
async function connectBoth(address: NatsAddress, complaints: Complaints): Promise<[Link, Link]> {
  const made = [
    connectTo(address, 'tidings events', complaints),
    connectTo(address, 'tidings emits', complaints),
  ] as const;
  try {
    return await Promise.all(made);
  } catch (error) {
    for (const link of await Promise.allSettled(made))
      if (link.status === 'fulfilled') await link.value.connection.close();
    throw error;
  }
}
