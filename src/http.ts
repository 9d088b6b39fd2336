/** What both listeners share over uWebSockets.js: answers, bounded bodies, and handlers that always answer. */
import { STATUS_CODES } from 'node:http';
import { type ErrorCode, TidingsError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './uws.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

export interface Answer {
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: string;
  /** Ends the connection behind the answer. */
  readonly closes?: boolean;
}

export const JSON_HEADERS: Headers = [
  ['Content-Type', 'application/json'],
  ['Cache-Control', 'no-store'],
  ['X-Content-Type-Options', 'nosniff'],
];

export const json = (status: number, value: object, headers: Headers = []): Answer => ({
  status,
  headers: [...JSON_HEADERS, ...headers],
  body: `${JSON.stringify(value)}\n`,
});

/** `{"error":"CODE","message":"…"}`. Anything that is not a TidingsError is a bug and told as such. */
export function errorAnswer(error: unknown): Answer {
  if (!(error instanceof TidingsError)) return errorAnswer(internal());
  const { status, code, message } = error;
  // One that leaves is not to be asked again on this connection, which may break at any moment.
  return {
    ...json(status, { error: code, message }, headersOf(code)),
    closes: code === 'DRAINING',
  };
}

const internal = () => new TidingsError('INTERNAL', 'tidings failed; its log says how');

const headersOf = (code: ErrorCode): Headers => {
  if (code === 'TOKEN_INVALID') return [['WWW-Authenticate', 'Bearer error="invalid_token"']];
  if (code === 'CONTROL_TOKEN_INVALID') return [['WWW-Authenticate', 'Bearer']];
  if (code === 'MEMORY_FULL') return [['Retry-After', '1']];
  return code === 'DRAINING' ? [['Retry-After', '5']] : [];
};

/** `405` for a path that exists. */
export const notAllowed = (allow: string): Answer => {
  const answer = errorAnswer(new TidingsError('METHOD_NOT_ALLOWED', `use ${allow}`));
  return { ...answer, headers: [...(answer.headers ?? []), ['Allow', allow]] };
};

const statusLine = (status: number): string => `${status} ${STATUS_CODES[status] ?? ''}`;

/** Writes an answer; for HEAD only its head. The response must not have begun. */
export function answer(
  res: HttpResponse,
  { status, headers = [], body, closes }: Answer,
  isHead = false,
): void {
  res.cork(() => {
    res.writeStatus(statusLine(status));
    for (const [name, value] of headers) res.writeHeader(name, value);
    if (body === undefined || isHead) res.endWithoutBody();
    else res.end(body, closes === true);
  });
}

/** A request whose answer may come later: knows whether there is still somebody to answer. */
export class Exchange {
  readonly #res: HttpResponse;
  readonly #isHead: boolean;
  #isOver = false;
  /** What else goes into the head of the answer, whatever it is; asked when it is written. */
  lateHeaders: () => Headers = () => [];

  constructor(res: HttpResponse, req: HttpRequest) {
    this.#res = res;
    this.#isHead = req.getMethod() === 'head';
    // First of all: without it a handler that has not answered when it returns ends the process.
    res.onAborted(() => {
      this.#isOver = true;
    });
  }

  answer(what: Answer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const headers = [...(what.headers ?? []), ...this.lateHeaders()];
    answer(this.#res, { ...what, headers }, this.#isHead);
  }

  /** Answers with what `produce` returns, now or later; what it throws becomes an answer too. */
  answerWith(logger: Logger, produce: () => Answer | Promise<Answer>): void {
    const fail = (error: unknown) => this.fail(logger, error);
    try {
      const what = produce();
      if (what instanceof Promise) what.then((late) => this.answer(late)).catch(fail);
      else this.answer(what);
    } catch (error) {
      fail(error);
    }
  }

  /** Answers with an error; one that is not expected is a bug, and logged. */
  fail(logger: Logger, error: unknown): void {
    if (!(error instanceof TidingsError)) logger.error({ err: error }, 'request failed');
    this.answer(errorAnswer(error));
  }

  /**
   * Collects the body, then calls `done`. A body above `maxBytes` is answered with 413 as soon as
   * its length or its bytes show it; what still comes is not kept.
   */
  readBody(declaredBytes: number, maxBytes: number, done: (body: Buffer) => void): void {
    if (declaredBytes > maxBytes) return this.#tooLarge(maxBytes);
    const chunks: Buffer[] = [];
    let size = 0;
    this.#res.onData((chunk, isLast) => {
      if (this.#isOver) return;
      size += chunk.byteLength;
      if (size > maxBytes) return this.#tooLarge(maxBytes);
      chunks.push(Buffer.from(chunk.slice(0)));
      if (isLast) done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    });
  }

  #tooLarge(maxBytes: number): void {
    const error = new TidingsError(
      'BODY_TOO_LARGE',
      `the body is larger than ${maxBytes} bytes: send less, or raise -max-body`,
    );
    this.answer({ ...errorAnswer(error), closes: true });
  }
}

/**
 * Whether it is open to opinion where a request ends (RFC 9112, 6.3). The addon takes the first of two
 * lengths and treats an unknown coding as chunked, and reads what follows as a request of its own.
 */
function isAmbiguous(req: HttpRequest): boolean {
  let lengths = 0;
  let codings = 0;
  let isKnown = true;
  req.forEach((name, value) => {
    if (name === 'content-length') lengths += 1;
    if (name !== 'transfer-encoding') return;
    codings += 1;
    isKnown &&= value.toLowerCase() === 'chunked';
  });
  return lengths + codings > 1 || !isKnown;
}

/** A handler that answers whatever happens: what `handle` throws becomes an answer, a bug also a log line. */
export function exchangeHandler(
  logger: Logger,
  handle: (exchange: Exchange, req: HttpRequest) => void,
): HttpHandler {
  return (res, req) => {
    const exchange = new Exchange(res, req);
    // Without an answer: the addon would go on to what follows before it closed behind one.
    if (isAmbiguous(req)) {
      res.close();
      return;
    }
    try {
      handle(exchange, req);
    } catch (error) {
      exchange.fail(logger, error);
    }
  };
}
