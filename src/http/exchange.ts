/** A request on either listener, which is always answered, and never counts for two. */

import { TidingsError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Answer, answer, continueRequest, errorAnswer, type Headers } from './answer.ts';
import { Body } from './body.ts';
import { BodyPieces } from './body-pieces.ts';
import { inFormFor } from './problem.ts';
import { RequestHead } from './request-head.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './uws.ts';

/** A chunked body is given up when nothing of it has come for so long. */
const SILENCE_MS = 5_000;

export interface ExchangeRules {
  readonly logger: Logger;
  /** False: a request that announces a body is refused. */
  readonly takesBodies: boolean;
  /** Headers that every answer has. */
  readonly headersFor?: (head: RequestHead) => Headers;
  /** True while connections should not outlive their answer, since there is hardly room for more. */
  readonly isTight: () => boolean;
}

/** A handler that answers whatever happens: what `handle` throws becomes an answer, a bug also a log line. */
export function exchangeHandler(
  rules: ExchangeRules,
  handle: (exchange: Exchange, req: HttpRequest) => void,
): HttpHandler {
  return (res, req) => {
    const exchange = new Exchange(res, new RequestHead(req), rules);
    if (exchange.isRefused()) return;
    try {
      handle(exchange, req);
    } catch (error) {
      exchange.fail(error);
    }
  };
}

/**
 * A request whose answer may come later: knows whether there is still somebody to answer.
 *
 * Where a chunked body ends is the addon's word only: it checks no line end behind a chunk and knows no
 * trailer. What follows is read as a request in the same turn of the event loop, and when that is none,
 * its error page takes the place of our answer. So such a request is run in the turn behind: the addon
 * has by then closed a connection on which anything followed. It also closes behind the answer.
 */
export class Exchange {
  readonly head: RequestHead;
  /** Called when the connection of a response that became a stream is gone. */
  onAborted: (() => void) | undefined;
  /** What else goes into the head of the answer, whatever it is; asked when it is written. */
  lateHeaders: () => Headers = () => [];
  readonly #res: HttpResponse;
  readonly #rules: ExchangeRules;
  #state: 'open' | 'answering' | 'stream' | 'over' = 'open';
  /** The addon has read on, and found nothing behind. */
  #isAlone: boolean;
  #hasContinued = false;
  #pieces: BodyPieces | undefined;

  constructor(res: HttpResponse, head: RequestHead, rules: ExchangeRules) {
    this.head = head;
    this.#res = res;
    this.#rules = rules;
    this.#isAlone = !head.isChunked;
    // First of all: without it a handler that has not answered when it returns ends the process.
    res.onAborted(() => {
      this.#state = 'over';
      this.onAborted?.();
    });
  }

  /** Answers a request that must not be run, so that nothing behind it is run either. */
  isRefused(): boolean {
    const { method, isChunked } = this.head;
    const mayHaveBody = this.#rules.takesBodies && !(isChunked && isSafe(method));
    const fault = this.head.fault(mayHaveBody);
    if (fault === undefined) return false;
    this.#isAlone = false;
    // The addon cannot end a connection behind an answer without a body.
    if (method === 'head') this.#res.close();
    else this.answer(errorAnswer(new TidingsError('REQUEST_MALFORMED', fault)));
    return true;
  }

  /** As the addon writes it; empty on a unix socket. */
  get remoteAddress(): string {
    return Buffer.from(this.#res.getRemoteAddressAsText()).toString('latin1');
  }

  /** There is still somebody to answer. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Collects what `write` writes; for a response whose handler has returned. */
  corked<T>(write: () => T): T {
    let result: T;
    this.#res.cork(() => {
      result = write();
    });
    return result!;
  }

  /** The response, to become a stream; nothing is answered any more. */
  takeOver(): HttpResponse {
    this.#state = 'stream';
    return this.#res;
  }

  answer(what: Answer): void {
    if (this.#state !== 'open') return;
    this.#state = 'answering';
    if (this.#isAlone) this.#send(what);
    else setImmediate(() => this.#send({ ...what, closes: true }));
  }

  /** Answers with what `produce` returns, now or later; what it throws becomes an answer too. */
  answerWith(produce: () => Answer | Promise<Answer>): void {
    const fail = (error: unknown) => this.fail(error);
    try {
      const what = produce();
      if (what instanceof Promise) what.then((late) => this.answer(late)).catch(fail);
      else this.answer(what);
    } catch (error) {
      fail(error);
    }
  }

  /** Answers with an error; one that is not expected is a bug, and logged. */
  fail(error: unknown): void {
    if (!(error instanceof TidingsError))
      this.#rules.logger.error({ err: error }, 'request failed');
    // What has begun to stream can only be cut off.
    if (this.#state === 'stream') this.#res.close();
    else this.answer(errorAnswer(error));
  }

  /**
   * Collects the body, then calls `done`, which must not keep the bytes. A body above `maxBytes` is
   * answered with 413 as soon as its length or its bytes show it.
   */
  readBody(maxBytes: number, done: (body: Buffer) => void): void {
    if (this.head.bodyBytes > maxBytes) return this.answer(tooLarge(maxBytes));
    this.#continue();
    if (this.head.isChunked) return this.#readChunked(maxBytes, done);
    const body = new Body(maxBytes);
    let isWhole = true;
    this.#res.onData((chunk, isLast) => {
      if (this.#state !== 'open') return;
      if (isLast && isWhole) return done(Buffer.from(chunk)); // no copy: most come in one piece
      isWhole = false;
      if (!body.append(new Uint8Array(chunk))) return this.answer(tooLarge(maxBytes));
      if (isLast) done(body.bytes);
    });
  }

  /**
   * The body in pieces, without a limit to all of them. The answer is to be given behind the last one;
   * what is done with the pieces is done when they come, while the request may still turn out to be cut.
   */
  pieces(): BodyPieces {
    this.#continue();
    const { isChunked } = this.head;
    const pieces = new BodyPieces(this.#res, { silenceMs: isChunked ? SILENCE_MS : undefined });
    this.#pieces = pieces;
    this.onAborted = () => pieces.cut();
    this.#res.onData((chunk, isLast) => {
      if (this.#state !== 'open') return;
      pieces.push(chunk);
      if (isLast && isChunked) setImmediate(() => this.#endAlone(pieces));
      else if (isLast) pieces.end();
    });
    return pieces;
  }

  #endAlone(pieces: BodyPieces): void {
    this.#isAlone = true;
    pieces.end();
  }

  #readChunked(maxBytes: number, done: (body: Buffer) => void): void {
    const body = new Body(maxBytes);
    const silence = setTimeout(() => this.answer(SILENT), SILENCE_MS);
    this.onAborted = () => clearTimeout(silence);
    this.#res.onData((chunk, isLast) => {
      if (this.#state !== 'open') return;
      silence.refresh();
      const fits = body.append(new Uint8Array(chunk));
      if (fits && !isLast) return;
      clearTimeout(silence);
      if (!fits) return this.answer(tooLarge(maxBytes));
      setImmediate(() => {
        this.#isAlone = true;
        if (this.#state === 'open') done(body.bytes);
      });
    });
  }

  #continue(): void {
    const { expect } = this.head;
    if (expect === '100-continue' || expect.toLowerCase() !== '100-continue') return;
    this.#hasContinued = true;
    continueRequest(this.#res);
  }

  #send(what: Answer): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const { head } = this;
    const { headersFor, isTight } = this.#rules;
    const said = inFormFor(head.accept, what);
    const late = this.lateHeaders();
    // What is left of a body would be in the way of the next request, or stay paused for ever.
    const isCutShort = this.#pieces?.isWhole === false;
    // Hot path: no object is spread.
    answer(this.#res, said, {
      isHead: head.method === 'head',
      isLast: head.isLast,
      hasContinued: this.#hasContinued,
      more: headersFor === undefined ? late : [...headersFor(head), ...late],
      closes: said.closes === true || isCutShort || head.isChunked || head.isLast || isTight(),
    });
  }
}

const isSafe = (method: string): boolean => method === 'get' || method === 'head';

const tooLarge = (maxBytes: number): Answer => ({
  ...errorAnswer(
    new TidingsError(
      'BODY_TOO_LARGE',
      `the body is larger than ${maxBytes} bytes: send less, or raise -max-body`,
    ),
  ),
  closes: true,
});

const SILENT: Answer = {
  ...errorAnswer(
    new TidingsError(
      'BODY_MALFORMED',
      'the body does not end: send it with Content-Length, or in chunks without extensions',
    ),
  ),
  closes: true,
};
