/** `curl -N`: what people try first. It prints bytes, so this adapter parses what curl printed. */
import { createParser } from 'eventsource-parser';
import type { ConnectOptions, LibraryClient, Received, RequestRecord } from './client-library.ts';
import { type ClientProcess, runClient } from './client-process.ts';
import type { Owner } from './sse-client.ts';

export interface CurlHandle extends LibraryClient, Omit<ClientProcess, 'close'> {
  /** The body, as printed. */
  body(): string;
}

const HEAD_END = '\r\n\r\n';

export function connectCurl(
  t: Owner,
  { url, token }: ConnectOptions,
  flags: readonly string[] = [],
): CurlHandle {
  const received: Received[] = [];
  const record: RequestRecord = { lastEventId: null, status: 0 };
  const parser = createParser({
    onEvent: ({ id = '', event = 'message', data }) =>
      received.push({ id, event, data, atMs: performance.now() }),
  });
  let head = '';
  let body = '';
  const printed = (text: string) => {
    body += text;
    parser.feed(text);
  };
  const onOutput = (text: string) => {
    if (record.status !== 0) return printed(text);
    head += text;
    const end = head.indexOf(HEAD_END);
    if (end === -1) return;
    record.status = Number(head.split(' ')[1]);
    printed(head.slice(end + HEAD_END.length));
  };
  const auth = `Authorization: Bearer ${token}`;
  const command = ['curl', '-N', '-sS', '-i', ...flags, '-H', auth, url] as const;
  const program = runClient(t, command, onOutput);
  return { ...program, received, requests: [record], body: () => body };
}
