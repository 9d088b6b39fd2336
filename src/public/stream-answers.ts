/** What the stream endpoint answers: the head of a stream, and the answer that sends a client away for now. */
import { TokenUndecided } from '../auth/claims.ts';
import { TidingsError } from '../errors.ts';
import { type Answer, errorAnswer, type Headers } from '../http/answer.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { HttpResponse } from '../http/uws.ts';
import type { Stream } from '../hub/stream.ts';
import { encodeRetry } from '../wire/frame.ts';
import type { Refusal } from './admission.ts';

/** When a browser comes back that was refused for now, in milliseconds. */
export const REFUSED_RETRY_MS = [5_000, 15_000] as const;

const STREAM_TYPE = 'text/event-stream';

const STREAM_RULES: Headers = [
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
  ['X-Content-Type-Options', 'nosniff'],
];

/** Of answers that are whole. */
export const STREAM_HEADERS: Headers = [['Content-Type', STREAM_TYPE], ...STREAM_RULES];

// The addon copies a value as it is: one call, of constant text, in place of one for each line.
const STREAM_HEAD = [STREAM_TYPE, ...STREAM_RULES.map((header) => header.join(': '))].join('\r\n');

/** Why a client is to come back later. */
export type Later = Refusal | 'waiting' | 'keys' | 'draining';

/** Why a stream was not opened. */
export const NOT_OPENED: readonly (Later | 'token' | 'token-time' | 'revoked')[] = [
  'token',
  'token-time',
  'revoked',
  'streams',
  'streams-per-user',
  'streams-per-address',
  'waiting',
  'keys',
  'draining',
];

export function writeStreamHead(res: HttpResponse, corsHeaders: Headers): void {
  res.writeHeader('Content-Type', STREAM_HEAD); // and 200 OK before it
  for (const [name, value] of corsHeaders) res.writeHeader(name, value);
}

/**
 * EventSource gives up for good on any status but 200, so being full must not look like an error to it.
 * Probes and scripts get the status they expect.
 */
export function comeBack(head: RequestHead, why: Later, retryMs: number): Answer {
  if (head.accept.includes(STREAM_TYPE))
    return { status: 200, headers: STREAM_HEADERS, body: encodeRetry(retryMs), closes: true };
  const full = errorAnswer(errorOf(why));
  const retryAfter = String(Math.ceil(retryMs / 1000));
  return {
    ...full,
    headers: [...(full.headers ?? []), ['Retry-After', retryAfter]],
    closes: true, // its file is wanted for others
  };
}

const errorOf = (why: Later): TidingsError =>
  why === 'keys'
    ? new TokenUndecided()
    : new TidingsError('STREAM_LIMIT', `no more streams for now (${why}): come back later`);

/**
 * Tells the stream what becomes of its connection. The exchange's own handler gives way: it would keep
 * the head of the request, with its token, for as long as the stream is open.
 */
export function watch(res: HttpResponse, stream: Stream): void {
  res.onAborted(() => stream.aborted());
  res.onWritable(() => {
    stream.writable();
    return true;
  });
}
