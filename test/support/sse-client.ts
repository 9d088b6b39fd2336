/** One open stream over node:http, decoded by an independent parser that is the oracle of our tests. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { isPositionNotice } from './opening.ts';
import { type Deadline, eventually } from './wait.ts';

/** What a test needs of node:test's context: a place to register clean-up. */
export interface Owner {
  after(fn: () => void | Promise<void>): void;
}

export interface OpenOptions {
  readonly headers?: http.OutgoingHttpHeaders;
  readonly method?: string;
  readonly socketPath?: string;
  /** The client's own address, e.g. `127.0.0.2`: all of 127.0.0.0/8 is this machine. */
  readonly localAddress?: string;
}

export class SseClient {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Without `tidings.open` and `tidings.position`, which `everything` has too. */
  readonly events: EventSourceMessage[] = [];
  readonly everything: EventSourceMessage[] = [];
  readonly comments: string[] = [];
  readonly retries: number[] = [];
  /** Every body byte so far, de-chunked. */
  text = '';
  ended = false;
  /** True when the body ended without its terminating chunk. */
  cut = false;
  readonly #response: http.IncomingMessage;
  #taken = 0;

  constructor(response: http.IncomingMessage) {
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    const parser = createParser({
      onEvent: (event) => this.#take(event),
      onComment: (comment) => this.comments.push(comment),
      onRetry: (retry) => this.retries.push(retry),
    });
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.text += text;
      parser.feed(text);
    });
    response.on('end', () => {
      this.ended = true;
    });
    response.on('error', () => {
      this.cut = true;
      this.ended = true;
    });
  }

  #take(event: EventSourceMessage): void {
    this.everything.push(event);
    if (!isPositionNotice(event.event)) this.events.push(event);
  }

  /** The next of `events` not yet taken. */
  async next(deadline: Deadline = {}): Promise<EventSourceMessage> {
    await eventually(() => this.events.length > this.#taken, { what: 'an event', ...deadline });
    return this.events[this.#taken++]!;
  }

  /** Waits until `count` of `events` have arrived in all. */
  async arrived(count: number, deadline: Deadline = {}): Promise<EventSourceMessage[]> {
    await eventually(() => this.events.length >= count, { what: `${count} events`, ...deadline });
    return this.events;
  }

  async end(deadline: Deadline = {}): Promise<void> {
    await eventually(() => this.ended, { what: 'the end of the stream', ...deadline });
  }

  /** Takes nothing off the socket until `resume`. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#response.destroy();
  }
}

/** Sends the request and resolves once the response head is here. Closed by `t.after`. */
export async function openStream(
  t: Owner,
  url: string,
  options: OpenOptions = {},
): Promise<SseClient> {
  const { request } = url.startsWith('https:') ? https : http;
  const req = request(url, {
    agent: false,
    headers: { accept: 'text/event-stream', ...options.headers },
    method: options.method ?? 'GET',
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    rejectUnauthorized: false,
  } as https.RequestOptions);
  req.end();
  const [response] = (await once(req, 'response')) as [http.IncomingMessage];
  const client = new SseClient(response);
  t.after(() => client.close());
  req.on('error', () => {}); // after close() the socket's reset is expected
  return client;
}
