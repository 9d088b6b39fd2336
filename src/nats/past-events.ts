/**
 * What the stream still has of a few channels, read on demand. What it does not have any more is told as
 * missing, and nothing else is.
 */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { formatEventId } from '../wire/event-id.ts';
import { stamp } from '../wire/frame.ts';
import { decodeRecord, type EventRecord } from './event-record.ts';
import { readBehind } from './reading.ts';
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

  async #readStream({ channels, after, upto }: Wanted): Promise<Found> {
    const { jsm, js, takesSubjects, maxMessageBytes } = this.#options;
    const selection = new Selection(channels);
    // Before 2.10 one subject is all there may be, and events for several channels have their own.
    const subjects = takesSubjects() ? selection.subjects : undefined;
    const aheadBytes = AHEAD_BYTES + maxMessageBytes();
    const reading = { jsm, js, stream: STREAM, after, subjects, aheadBytes, maxMs: READ_MS };
    const events: PastEvent[] = [];
    let [bytes, count, through] = [0, 0, upto];
    await readBehind(reading, ({ seq, data, info }) => {
      count += 1;
      const event = seq > upto ? undefined : this.#eventOf(seq, data, selection);
      if (event !== undefined) events.push(event);
      bytes += event?.bytes.length ?? 0;
      if (seq >= upto || info.pending === 0) return true;
      if (bytes < READ_BYTES && count < READ_EVENTS) return false;
      through = seq;
      return true;
    });
    return { events, through };
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
