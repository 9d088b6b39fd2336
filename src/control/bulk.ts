/**
 * Emits line by line while the body still comes, in slices, and no faster than it can be written: who
 * sends waits while streams have much before them, instead of the events here.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { TidingsError } from '../errors.ts';
import type { Answer } from '../http/answer.ts';
import type { BodyPieces } from '../http/body-pieces.ts';
import { SLICE_MS } from '../hub/flusher.ts';
import type { Published } from '../publish/publisher.ts';
import type { BulkReport } from './bulk-report.ts';
import { hasText, type Line, Lines, type TextLine } from './lines.ts';

/** Bytes of entries that streams may have before them; with more no line is taken. */
export const MAX_PENDING_BYTES = 4_194_304;

/** Events that were given to a publisher that answers later, and are not answered. */
const MAX_OUTSTANDING = 4_096;

/** How long a line waits for room (429) before the rest of the body is not taken, and how often it asks, in milliseconds. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 5;

// The clock is read once per so many lines.
const LINES_PER_CLOCK_CHECK = 16;

export interface BulkOptions {
  /** Of one line, in bytes. */
  readonly maxLineBytes: number;
  /** Bytes of entries that streams may still be waiting for. */
  readonly pendingBytes: () => number;
  /** Emits what a line says. @throws TidingsError */
  readonly emit: (line: TextLine) => Published | Promise<Published>;
  /** Is told of every line, and answers. */
  readonly report: BulkReport;
}

export class Bulk {
  readonly #options: BulkOptions;
  readonly #report: BulkReport;
  readonly #lines: Lines;
  #outstanding = 0;
  /** Waits until there are fewer of them. */
  #answered: (() => void) | undefined;
  /** Lines so far, over all pieces. */
  #count = 0;
  #sliceEnd = 0;
  /** No more lines are taken. */
  #isStopped = false;
  /** What is no expected failure. */
  #bug: Error | undefined;

  constructor(options: BulkOptions) {
    this.#options = options;
    this.#report = options.report;
    this.#lines = new Lines(options.maxLineBytes);
  }

  /** Takes all lines. To be called once. */
  async run(pieces: BodyPieces): Promise<Answer> {
    for (let piece = await pieces.next(); piece !== undefined; piece = await pieces.next()) {
      await this.#takeAll(piece);
      if (this.#isStopped) break;
    }
    if (this.#isStopped || !pieces.isWhole) this.#report.isTruncated = true;
    else await this.#takeRest();
    await this.#outstandingBelow(1);
    if (this.#bug !== undefined) throw this.#bug;
    const answer = this.#report.answer();
    // Where the body was cut short by its sender the exchange sees to it.
    return this.#isStopped ? { ...answer, closes: true } : answer;
  }

  async #takeAll(piece: Buffer): Promise<void> {
    const { pendingBytes } = this.#options;
    this.#lines.push(piece);
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      const waits = this.#take(line);
      if (waits !== undefined) await waits;
      if (this.#isStopped) return;
      this.#count += 1;
      const isMuch = pendingBytes() > MAX_PENDING_BYTES;
      if (isMuch || (this.#count % LINES_PER_CLOCK_CHECK === 0 && this.#isSliceOver))
        await this.#breathe();
    }
  }

  // Without its line end a line may be a part of one. An object is whole when its brace is there.
  async #takeRest(): Promise<void> {
    const line = this.#lines.rest();
    if (line === undefined) return;
    if (isCut(line)) this.#report.isTruncated = true;
    else await this.#take(line);
  }

  /** Hot path: for every line. A promise when it has to wait. */
  #take(line: Line): Promise<void> | undefined {
    const { number } = line;
    if (!hasText(line)) {
      this.#report.failed(number, line.text);
      return undefined;
    }
    try {
      const published = this.#options.emit(line);
      if (!(published instanceof Promise)) {
        this.#report.done(number, published);
        return undefined;
      }
      this.#await(number, published);
      return this.#outstanding < MAX_OUTSTANDING
        ? undefined
        : this.#outstandingBelow(MAX_OUTSTANDING / 2);
    } catch (error) {
      if (error instanceof TidingsError && error.status === 429) return this.#retry(line);
      this.#failed(number, error);
      return undefined;
    }
  }

  // One promise and no more: at the rate of an upload each further one is as much as all that the line is to a thread.
  #await(number: number, published: Promise<Published>): void {
    this.#outstanding += 1;
    published.then(
      (late) => {
        this.#report.done(number, late);
        this.#settled();
      },
      (error: unknown) => {
        this.#failed(number, error);
        this.#settled();
      },
    );
  }

  #settled(): void {
    this.#outstanding -= 1;
    this.#answered?.();
  }

  async #retry(line: TextLine): Promise<void> {
    const { number } = line;
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      await delay(RETRY_MS);
      try {
        return this.#report.done(number, await this.#options.emit(line));
      } catch (error) {
        const isFull = error instanceof TidingsError && error.status === 429;
        if (!isFull || performance.now() > end) return this.#failed(number, error);
      }
    }
  }

  /** What is true of this line only is told with it; what is true of all behind it, too, ends the taking. */
  #failed(number: number, error: unknown): void {
    if (error instanceof TidingsError) this.#report.failed(number, error);
    else this.#bug ??= error instanceof Error ? error : new Error(String(error));
    if (!(error instanceof TidingsError) || error.status >= 429) this.#isStopped = true;
  }

  async #outstandingBelow(count: number): Promise<void> {
    while (this.#outstanding >= count)
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
  }

  get #isSliceOver(): boolean {
    return performance.now() >= this.#sliceEnd;
  }

  async #breathe(): Promise<void> {
    const { pendingBytes } = this.#options;
    do await nextTurn();
    while (pendingBytes() > MAX_PENDING_BYTES);
    this.#sliceEnd = performance.now() + SLICE_MS;
  }
}

function isCut({ text }: Line): boolean {
  if (text instanceof TidingsError) return true;
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}
