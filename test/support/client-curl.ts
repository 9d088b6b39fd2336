/** `curl -N`: what people try first. It prints bytes, so this adapter parses what curl printed. */
import { createParser } from 'eventsource-parser';
import {
  ClientRecord,
  type ConnectOptions,
  type LibraryClient,
  type RequestRecord,
} from './client-library.ts';
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
  const record = new ClientRecord(token);
  const request: RequestRecord = { lastEventId: null, status: 0 };
  record.requests.push(request);
  const parser = createParser({ onEvent: record.take });
  let head = '';
  let body = '';
  const printed = (text: string) => {
    body += text;
    parser.feed(text);
  };
  const onOutput = (text: string) => {
    if (request.status !== 0) return printed(text);
    head += text;
    const end = head.indexOf(HEAD_END);
    if (end === -1) return;
    request.status = Number(head.split(' ')[1]);
    printed(head.slice(end + HEAD_END.length));
  };
  const auth = `Authorization: Bearer ${token}`;
  const command = ['curl', '-N', '-sS', '-i', ...flags, '-H', auth, url] as const;
  const program = runClient(t, command, onOutput);
  return { ...record, ...program, body: () => body };
}
