/**
 * What lies below the memory of a node: the stream, as the deeper log of its hub. So memory bounds what
 * is at hand, and not what a stream can come back for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import type { DeeperLog, DeeperQuestion, DeeperRange } from '../hub/deeper-log.ts';
import { isFor } from '../log/entry.ts';
import type { Logger } from '../logger.ts';
import type { Complaints } from './complaints.ts';
import type { Past, Wanted } from './past-events.ts';
import { isNotFound } from './streams.ts';

/** Reads of the stream at a time; further ones wait for their turn. */
export const MAX_READS = 16;

/** After a read that failed, in milliseconds; the streams wait for as long as it takes. */
const RETRY_MS = 250;

export interface StreamLogOptions {
  readonly read: (wanted: Wanted) => Promise<Past>;
  /** A number that the stream has dropped everything before, perhaps more. */
  readonly first: () => number;
  readonly complaints: Complaints;
  readonly logger: Logger;
}

export class StreamLog implements DeeperLog {
  readonly #options: StreamLogOptions;
  /** Under way or waiting, by what is wanted: streams that want the same share it. */
  readonly #reads = new Map<string, Promise<Past>>();
  readonly #waiting: (() => void)[] = [];
  #readCount = 0;
  #isClosed = false;

  constructor(options: StreamLogOptions) {
    this.#options = options;
  }

  /** Rejects when the node ends. */
  async read({ user, channels, after, upto }: DeeperQuestion): Promise<DeeperRange> {
    // Nothing that it still has is wanted: not worth a question.
    if (this.#options.first() > upto) return { missedThrough: upto, frames: [], through: upto };
    const { events, ...range } = await this.#shared({ channels, after, upto });
    return { ...range, frames: events.filter(({ to }) => isFor(to, user)) };
  }

  close(): void {
    this.#isClosed = true;
    for (const begin of this.#waiting.splice(0)) begin();
  }

  #shared(wanted: Wanted): Promise<Past> {
    const key = JSON.stringify([wanted.after, wanted.upto, ...wanted.channels]);
    const present = this.#reads.get(key);
    if (present !== undefined) return present;
    const read = this.#inTurn(wanted).finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  async #inTurn(wanted: Wanted): Promise<Past> {
    if (this.#readCount >= MAX_READS)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#readCount += 1;
    try {
      return await this.#untilRead(wanted);
    } finally {
      // The place is handed on, or free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#readCount -= 1;
      else next();
    }
  }

  async #untilRead(wanted: Wanted): Promise<Past> {
    for (;;) {
      if (this.#isClosed) throw new Error('the node ends');
      try {
        return await this.#options.read(wanted);
      } catch (error) {
        if (isRefusal(error)) this.#options.complaints.tell(error.message);
        this.#options.logger.debug({ error: String(error) }, 'the past cannot be read from NATS');
      }
      await delay(RETRY_MS);
    }
  }
}

// Of the request itself: not that nobody leads the stream now, or that what was just made is gone with a leader.
const isRefusal = (error: unknown): error is JetStreamApiError =>
  error instanceof JetStreamApiError && error.status < 500 && !isNotFound(error);
