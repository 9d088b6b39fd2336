/** Requests to the control port as backends make them, and one whole stream to look at. */
import { withoutOpening } from './opening.ts';
import type { RunningServer } from './server.ts';
import { type Owner, openStream, type SseClient } from './sse-client.ts';
import { bearer, tokenFor } from './tokens.ts';
import { eventually } from './wait.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** POSTs a form (string pairs) or, for anything else, JSON. */
export async function post(url: string, body: URLSearchParams | object | string): Promise<Reply> {
  const isForm = body instanceof URLSearchParams;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
    },
    body: isForm || typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Emits a raw payload to everyone on `news`, as a form. */
export const emitRaw = ({ controlUrl }: { controlUrl: string }, payload: string): Promise<Reply> =>
  post(`${controlUrl}/emit/`, new URLSearchParams({ userId: '*', channel: 'news', payload }));

/** A stream on `news` whose first bytes have arrived. */
export async function openNews(
  t: Owner,
  { eventsUrl }: RunningServer,
  user = 'ann',
): Promise<SseClient> {
  const stream = await openStream(t, eventsUrl, { headers: bearer(tokenFor(user)) });
  await eventually(() => stream.text.endsWith(':\n'), { what: 'the first bytes' });
  return stream;
}

/** What has arrived behind the first bytes, without the comments behind each flush. */
export const framesOf = (stream: SseClient): string =>
  withoutOpening(stream.text)
    .split(/(?<=\n\n)/)
    .map((frame) => frame.replace(/^(:\n)+/, ''))
    .join('');
