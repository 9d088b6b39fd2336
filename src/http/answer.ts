/** Answers, and how they are written with uWebSockets.js. */
import { STATUS_CODES } from 'node:http';
import { type ErrorCode, TidingsError } from '../errors.ts';
import type { HttpResponse } from './uws.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

export interface Answer {
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: string;
  /** What went wrong, when something did: `body` says it to those who ask for no other form. */
  readonly error?: { readonly code: ErrorCode; readonly message: string };
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
  headers: headers.length === 0 ? JSON_HEADERS : [...JSON_HEADERS, ...headers],
  body: `${JSON.stringify(value)}\n`,
});

/** `{"error":"CODE","message":"…"}`. Anything that is not a TidingsError is a bug and told as such. */
export function errorAnswer(error: unknown): Answer {
  if (!(error instanceof TidingsError)) return errorAnswer(internal());
  const { status, code, message } = error;
  // One that leaves is not to be asked again on this connection, which may break at any moment.
  return {
    ...json(status, { error: code, message }, headersOf(code)),
    error: { code, message },
    closes: code === 'DRAINING',
  };
}

const internal = () => new TidingsError('INTERNAL', 'tidings failed; its log says how');

/** Over in a moment. */
const BRIEF: readonly ErrorCode[] = [
  'MEMORY_FULL',
  'THREADS_BEHIND',
  'BACKPLANE_BUSY',
  'BACKPLANE_DOWN',
];

const headersOf = (code: ErrorCode): Headers => {
  if (code === 'TOKEN_INVALID') return [['WWW-Authenticate', 'Bearer error="invalid_token"']];
  if (code === 'CONTROL_TOKEN_INVALID') return [['WWW-Authenticate', 'Bearer']];
  if (BRIEF.includes(code)) return [['Retry-After', '1']];
  return code === 'DRAINING' ? [['Retry-After', '5']] : [];
};

/** `405` for a path that exists. */
export const notAllowed = (allow: string): Answer => {
  const answer = errorAnswer(new TidingsError('METHOD_NOT_ALLOWED', `use ${allow}`));
  return { ...answer, headers: [...(answer.headers ?? []), ['Allow', allow]] };
};

const statusLine = (status: number): string => `${status} ${STATUS_CODES[status] ?? ''}`;

/**
 * What clients are told of how long an idle connection can be used again. The addon closes it after 8 to
 * 12 seconds without a word; one that goes by this never sends an emit into that.
 */
const KEEP_ALIVE: Headers = [['Keep-Alive', 'timeout=5']];

export interface AnswerForm {
  /** For HEAD: no body. */
  readonly isHead: boolean;
  /** The client has asked for the end of the connection. */
  readonly isLast: boolean;
  /** `continueRequest` has been called. */
  readonly hasContinued: boolean;
  /** Behind those of the answer. */
  readonly more: Headers;
  /** Ends the connection, whatever the answer says. */
  readonly closes: boolean;
}

/** Writes an answer. The response must not have begun. */
export function answer(res: HttpResponse, what: Answer, form: AnswerForm): void {
  const { status, headers = [], body } = what;
  const { more, closes } = form;
  const hasBody = body !== undefined && !form.isHead;
  const addonSaysSo = hasBody && !form.isLast;
  const own = closes ? (addonSaysSo ? [] : CLOSES) : KEEP_ALIVE;
  res.cork(() => {
    const write = begin(res, statusLine(status), form.hasContinued);
    for (const [name, value] of headers) write(name, value);
    for (const [name, value] of more) write(name, value);
    for (const [name, value] of own) write(name, value);
    if (hasBody) res.end(asUtf8(body), closes);
    else res.endWithoutBody();
  });
}

// The binary for Node 24 writes a string whose characters are all of Latin-1 as such.
const asUtf8 = (body: string): string | Uint8Array =>
  Buffer.byteLength(body) === body.length ? body : Buffer.from(body);

// The addon writes it when it is told to close behind a body, unless it was to close anyway.
const CLOSES: Headers = [['Connection', 'close']];

/** Asks for the body. The addon does so itself, but only for `100-continue` in lower case. */
export function continueRequest(res: HttpResponse): void {
  // It puts one line end behind; with this one the interim answer is complete.
  res.cork(() => res.writeStatus('100 Continue\r\n'));
}

// Whatever writes the next header. The addon writes no second status line of its own, so where an
// interim answer was given the line goes before the first header.
function begin(
  res: HttpResponse,
  line: string,
  hasContinued: boolean,
): (name: string, value: string) => void {
  let prefix = hasContinued ? `HTTP/1.1 ${line}\r\n` : '';
  if (prefix === '') res.writeStatus(line);
  return (name, value) => {
    res.writeHeader(prefix + name, value);
    prefix = '';
  };
}
