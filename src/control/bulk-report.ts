/** What became of the lines of one request: counts, and the first failures, so that it stays small. */
import { type ErrorCode, TidingsError } from '../errors.ts';
import { type Answer, errorAnswer, json } from '../http/answer.ts';
import type { Counts } from '../hub/counts.ts';
import type { Published } from '../publish/publisher.ts';

/** Failures that are told one by one; all are counted. */
export const MAX_TOLD_ERRORS = 100;

/** What becomes of an event. */
export type Outcome = 'accepted' | 'duplicate' | ErrorCode;

interface LineError {
  readonly line: number;
  readonly error: string;
  readonly message: string;
}

export class BulkReport {
  readonly #counts: Counts<Outcome>;
  #accepted = 0;
  #duplicates = 0;
  #failed = 0;
  #streams = 0;
  #firstLine = Number.POSITIVE_INFINITY;
  #firstId: string | undefined;
  #lastLine = 0;
  #lastId: string | undefined;
  #window: Published['window'];
  #errors: LineError[] = [];
  #firstError: TidingsError | undefined;
  /** The body has an end that is no whole line, or that was not taken. */
  isTruncated = false;

  /** `counts`: of the whole server, where this is counted too. */
  constructor(counts: Counts<Outcome>) {
    this.#counts = counts;
  }

  /** Hot path: for every line. */
  done(line: number, { id, streams, duplicate, window }: Published): void {
    if (duplicate === true) this.#duplicates += 1;
    else this.#accepted += 1;
    this.#counts.add(duplicate === true ? 'duplicate' : 'accepted');
    this.#window ??= window;
    this.#streams += streams;
    if (line < this.#firstLine) {
      this.#firstLine = line;
      this.#firstId = id;
    }
    if (line < this.#lastLine) return;
    this.#lastLine = line;
    this.#lastId = id;
  }

  failed(line: number, error: TidingsError): void {
    this.#failed += 1;
    this.#counts.add(error.code);
    // What ends the taking is true of all lines behind it, too.
    const ends = error.status >= 429;
    const known = this.#firstError;
    if (known === undefined || (ends && known.status < 429)) this.#firstError = error;
    if (this.#errors.length >= MAX_TOLD_ERRORS) return;
    this.#errors.push({ line, error: error.code, message: error.message });
  }

  /** 200 when nothing failed, 207 when something did, and when no line was taken the first error. */
  answer(): Answer {
    const isWhole = this.#failed === 0 && !this.isTruncated;
    if (this.#accepted + this.#duplicates > 0) return json(isWhole ? 200 : 207, this.#told());
    const error = this.#firstError ?? noLine();
    const status = error.status < 429 && error.status !== 409 ? 400 : error.status;
    const told = { error: error.code, message: error.message, ...this.#told() };
    return { ...errorAnswer(error), status, body: `${JSON.stringify(told)}\n` };
  }

  #told(): object {
    const errors = this.#errors.sort((a, b) => a.line - b.line);
    return {
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      failed: this.#failed,
      truncated: this.isTruncated,
      streams: this.#streams,
      first: this.#firstId,
      last: this.#lastId,
      window: this.#window,
      ...(errors.length === 0 ? {} : { errors }),
    };
  }
}

const noLine = (): TidingsError =>
  new TidingsError(
    'BODY_MALFORMED',
    'the body has no whole line: send one JSON object a line, each with a line end',
  );
