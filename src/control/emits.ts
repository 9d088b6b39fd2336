/** `POST /emit/` in its three forms: one event, an array of all or none, and lines that stream in. */
import { TidingsError } from '../errors.ts';
import { type Answer, json } from '../http/answer.ts';
import type { BodyPieces } from '../http/body-pieces.ts';
import { Counts } from '../hub/counts.ts';
import type { Logger } from '../logger.ts';
import type { OutgoingEvent, Published, Publisher } from '../publish/publisher.ts';
import { Bulk } from './bulk.ts';
import { BulkReport, type Outcome } from './bulk-report.ts';
import { type Fields, parseLine } from './fields.ts';
import { flatEvent } from './flat-line.ts';
import type { TextLine } from './lines.ts';
import { keyOf, parseEmit, requestKey } from './requests.ts';
import type { Call } from './router.ts';
import { traceOf } from './trace.ts';

/** Types of a body with one JSON object a line. */
export const LINE_TYPES: readonly string[] = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
];

export interface EmitsOptions {
  readonly publisher: Publisher;
  readonly logger: Logger;
  /** Of one line, in bytes. */
  readonly maxLineBytes: number;
  /** Bytes of entries that streams may still be waiting for. */
  readonly pendingBytes: () => number;
  /** @throws TidingsError `DRAINING` when no events are taken any more */
  readonly checkOpen: () => void;
}

export class Emits {
  /** Events by what became of them. */
  readonly counts = new Counts<Outcome>([
    'accepted',
    'duplicate',
    'FIELD_MISSING',
    'FIELD_INVALID',
    'EVENT_TOO_LARGE',
    'MEMORY_FULL',
    'THREADS_BEHIND',
    'RECEIPTS_FULL',
    'BACKPLANE_BUSY',
    'BACKPLANE_DOWN',
    'OUTCOME_UNKNOWN',
    'DRAINING',
    'INTERNAL',
  ]);
  readonly #options: EmitsOptions;

  constructor(options: EmitsOptions) {
    this.#options = options;
  }

  /** Hot path. */
  one(fields: Fields, { head }: Call): Answer | Promise<Answer> {
    const trace = traceOf(head.traceparent);
    const done = (published: Published) => this.#emitted(published, trace);
    const failed = (error: unknown) => this.#failed(error);
    try {
      const key = keyOf(fields, head);
      this.#options.checkOpen();
      const event = parseEmit(fields, { trace, key, namesOffline: true });
      const published = this.#options.publisher.publish(event);
      // A promise costs a turn of the loop, and the order of one process needs none.
      return published instanceof Promise ? published.then(done, failed) : done(published);
    } catch (error) {
      return failed(error);
    }
  }

  /** All or none. */
  all(list: readonly Fields[], { head }: Call): Answer | Promise<Answer> {
    const trace = traceOf(head.traceparent);
    const done = (published: readonly Published[]) => this.#answerAll(published);
    const failed = (error: unknown) => this.#failed(error);
    try {
      this.#options.checkOpen();
      const events = list.map((fields, index) =>
        naming(index, () => parseEmit(fields, { trace, key: keyOf(fields, head, index + 1) })),
      );
      const published = this.#options.publisher.publishAll(events);
      return published instanceof Promise ? published.then(done, failed) : done(published);
    } catch (error) {
      return failed(error);
    }
  }

  /** Each line for itself. */
  lines(pieces: BodyPieces, { head }: Call): Promise<Answer> {
    const { maxLineBytes, pendingBytes, publisher, checkOpen } = this.#options;
    const trace = traceOf(head.traceparent);
    const eventOf = (line: TextLine): OutgoingEvent => {
      const flat = flatEvent(line, { trace, key: requestKey(head, line.number) });
      if (flat !== undefined) return flat;
      const fields = parseLine(line.text);
      return parseEmit(fields, { trace, key: keyOf(fields, head, line.number) });
    };
    const emit = (line: TextLine) => {
      checkOpen();
      return publisher.publish(eventOf(line));
    };
    const report = new BulkReport(this.counts);
    return new Bulk({ maxLineBytes, pendingBytes, emit, report }).run(pieces);
  }

  #emitted(published: Published, trace: string | undefined): Answer {
    this.counts.add(published.duplicate === true ? 'duplicate' : 'accepted');
    this.#options.logger.debug({ event: published.id, streams: published.streams, trace }, 'emit');
    return json(200, published);
  }

  #failed(error: unknown): never {
    this.counts.add(error instanceof TidingsError ? error.code : 'INTERNAL');
    throw error;
  }

  #answerAll(published: readonly Published[]): Answer {
    const report = new BulkReport(this.counts);
    for (const [index, one] of published.entries()) report.done(index + 1, one);
    return report.answer();
  }
}

function naming<T>(index: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TidingsError)) throw error;
    throw new TidingsError(error.code, `item ${index + 1}: ${error.message}`);
  }
}
