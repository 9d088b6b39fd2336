/**
 * What the stream still has of a few channels, read on demand: by a consumer of its own that is gone
 * afterwards. What the stream does not have any more is told as missing, and nothing else is.
 */
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { formatEventId } from '../wire/event-id.ts';
import { stamp } from '../wire/frame.ts';
import { decodeRecord, type EventRecord } from './event-record.ts';
import { Selection } from './selection.ts';
import { factsOf, holesOf } from './streams.ts';
import { STREAM } from './subjects.ts';

/** Bytes of events that are enough for one answer. */
export const READ_BYTES = 262_144;

/** Events that are looked at for one answer, at most. */
export const READ_EVENTS = 10_000;

/** How long one answer may take, in milliseconds: then it is asked for anew. */
const READ_MS = 5_000;

/** Bytes that NATS may send ahead: more than its largest message, or that one would never come. */
const AHEAD_BYTES = 1_048_576;

/** What is left of a consumer that was not deleted goes by itself after this, in nanoseconds. */
const IDLE_NS = 30e9;

export interface Wanted {
  readonly channels: readonly string[];
  readonly after: number;
  /** Nothing behind this number is needed. */
  readonly upto: number;
}

export interface Past {
  /** Through this number events are gone, of whichever channel; `after` when none are. */
  readonly missedThrough: number;
  readonly events: readonly PastEvent[];
  /** With these events everything through this number has been seen. */
  readonly through: number;
}

export interface PastEvent extends Pick<EventRecord, 'to'> {
  readonly n: number;
  readonly bytes: Buffer;
}

export interface PastEventsOptions {
  readonly jsm: JetStreamManager;
  readonly js: JetStreamClient;
  readonly epoch: string;
  /** There is a connection now. */
  readonly isUp: () => boolean;
  /** The server takes several subjects for one consumer: since 2.10. */
  readonly takesSubjects: () => boolean;
  readonly maxMessageBytes: () => number;
}

export class PastEvents {
  readonly #options: PastEventsOptions;

  constructor(options: PastEventsOptions) {
    this.#options = options;
  }

  /** Rejects when NATS does not answer, or not all of it: it may be asked again. */
  async read(wanted: Wanted): Promise<Past> {
    const { jsm, isUp } = this.#options;
    // A question would be lost, and its time have to pass.
    if (!isUp()) throw new Error('NATS is away');
    const found = await this.#readStream(wanted);
    // Afterwards: what the stream dropped while it was read counts as gone.
    const facts = await factsOf(jsm);
    const holes = facts.deletedCount === 0 ? [] : await holesOf(jsm);
    return withoutHoles(found, { ...wanted, first: facts.first, holes });
  }

  async #readStream(wanted: Wanted): Promise<Found> {
    const consumer = await this.#consumer(wanted);
    try {
      return await this.#readFrom(consumer, wanted);
    } finally {
      this.#options.jsm.consumers.delete(STREAM, consumer.name).catch(() => {});
    }
  }

  #consumer({ channels, after }: Wanted): Promise<ConsumerInfo> {
    const { jsm, takesSubjects } = this.#options;
    // Before 2.10 one subject is all there may be, and events for several channels have their own.
    const filter = takesSubjects() ? { filter_subjects: new Selection(channels).subjects } : {};
    return jsm.consumers.add(STREAM, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: after + 1,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: IDLE_NS,
      ...filter,
    });
  }

  async #readFrom(info: ConsumerInfo, { channels, upto }: Wanted): Promise<Found> {
    const events: PastEvent[] = [];
    if (info.num_pending === 0) return { events, through: upto };
    const { js, maxMessageBytes } = this.#options;
    const selection = new Selection(channels);
    const messages = await js.consumers.getConsumerFromInfo(info).consume({
      max_bytes: AHEAD_BYTES + maxMessageBytes(),
      expires: READ_MS,
    });
    const timer = setTimeout(() => messages.stop(), READ_MS);
    try {
      let [bytes, count] = [0, 0];
      for await (const { seq, data, info: place } of messages) {
        count += 1;
        // One that was lost on the way.
        if (place.deliverySequence !== count) break;
        const event = seq > upto ? undefined : this.#eventOf(seq, data, selection);
        if (event !== undefined) events.push(event);
        bytes += event?.bytes.length ?? 0;
        if (seq >= upto || place.pending === 0) return { events, through: upto };
        if (bytes >= READ_BYTES || count >= READ_EVENTS) return { events, through: seq };
      }
    } finally {
      clearTimeout(timer);
      messages.stop();
    }
    throw new Error('NATS has not sent all that it has');
  }

  #eventOf(n: number, data: Uint8Array, selection: Selection): PastEvent | undefined {
    const record = decodeRecord(data);
    if (record === undefined || !selection.has(record.channels)) return undefined;
    return { n, to: record.to, bytes: stamp(record.body, formatEventId(this.#options.epoch, n)) };
  }
}

interface Found {
  readonly events: readonly PastEvent[];
  readonly through: number;
}

interface Holes extends Wanted {
  /** Number of the oldest event that the stream still has. */
  readonly first: number;
  /** Numbers behind it that it does not have, ascending. */
  readonly holes: readonly number[];
}

/** As far as the first number that is missing; from there on when nothing lies before it. */
export function withoutHoles(found: Found, { after, upto, first, holes }: Holes): Past {
  let missedThrough = Math.max(after, Math.min(first - 1, upto));
  let { through } = found;
  for (const hole of holes) {
    if (hole === missedThrough + 1 && hole <= upto) missedThrough = hole;
    else if (hole > missedThrough) {
      through = Math.min(through, hole - 1);
      break;
    }
  }
  return {
    missedThrough,
    events: found.events.filter(({ n }) => n > missedThrough && n <= through),
    through: Math.max(through, missedThrough),
  };
}
