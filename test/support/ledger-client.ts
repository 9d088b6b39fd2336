/**
 * A client that comes back, as the specification has it: after every end it waits, then asks for what
 * follows the last id it dispatched. It keeps a receipt of everything.
 */
import http from 'node:http';
import https from 'node:https';
import { crc32 } from 'node:zlib';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Notice, Receipt } from './ledger.ts';
import { bearer, tokenFor } from './tokens.ts';

/** How soon a client whose connection was refused tries again, in milliseconds. */
const REFUSED_MS = 100;

export interface LedgerClientOptions {
  /** The server's, without `/events/`; a proxy's, with its path; or `unix:/path`. */
  readonly url: string;
  readonly user: string;
  readonly channels: readonly string[];
  readonly since: string;
  /** How long to wait before coming back, given what the server asked for; default: not at all. */
  readonly waitMs?: ((retryMs: number) => number) | undefined;
  /** True: stays away once its stream has ended. */
  readonly staysAway?: boolean | undefined;
}

function requestTo(url: string, headers: http.OutgoingHttpHeaders): http.ClientRequest {
  const options = { agent: false, headers };
  if (url.startsWith('unix:'))
    return http.request({ ...options, socketPath: url.slice('unix:'.length), path: '/events/' });
  const { protocol, pathname } = new URL(url);
  const to = pathname === '/' ? new URL('/events/', url) : url;
  if (protocol === 'http:') return http.request(to, options);
  return https.request(to, { ...options, rejectUnauthorized: false });
}

export class LedgerClient {
  readonly receipt: Receipt;
  /** The stream is open: its head has arrived. */
  isOpen = false;
  /** Streams that ended without their terminating chunk. */
  cuts = 0;
  /** Comment bytes so far: heartbeats, and what follows each flush. */
  comments = 0;
  /** When the last stream ended, on the clock of `performance`. */
  endedAt = 0;
  readonly #options: LedgerClientOptions;
  readonly #token: string;
  #request: http.ClientRequest | undefined;
  #response: http.IncomingMessage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #lastEventId: string;
  #retryMs = 0;

  constructor(options: LedgerClientOptions) {
    const { user, channels, since } = options;
    this.#options = options;
    this.#token = tokenFor(user, channels);
    this.#lastEventId = since;
    this.receipt = {
      user,
      channels,
      since,
      deliveries: [],
      notices: [],
      connections: 0,
      problems: [],
    };
    this.connect();
  }

  get lastId(): string | undefined {
    return this.receipt.deliveries.at(-1)?.id;
  }

  connect(): void {
    const headers = {
      ...bearer(this.#token),
      accept: 'text/event-stream',
      'last-event-id': this.#lastEventId,
    };
    const request = requestTo(this.#options.url, headers);
    this.#request = request;
    request.on('response', (response) => this.#opened(request, response));
    request.on('error', () => this.#over(request, REFUSED_MS));
    request.end();
  }

  /** Drops the connection and comes back. */
  cut(): void {
    const request = this.#request;
    if (request === undefined || !this.isOpen) return;
    this.#over(request);
    request.destroy();
  }

  /** Drops the connection with a reset, and comes back. */
  reset(): void {
    this.#request?.socket?.resetAndDestroy();
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.isOpen = false;
    this.#request?.destroy();
  }

  #opened(request: http.ClientRequest, response: http.IncomingMessage): void {
    if (request !== this.#request) return;
    if (response.statusCode !== 200)
      this.receipt.problems.push(`was answered ${response.statusCode}`);
    this.#response = response;
    this.isOpen = true;
    this.receipt.connections += 1;
    this.#read(request, response);
    response.on('end', () => this.#over(request));
    response.on('error', () => {
      if (request === this.#request) this.cuts += 1;
      this.#over(request);
    });
  }

  #read(request: http.ClientRequest, response: http.IncomingMessage): void {
    const parser = createParser({
      onEvent: (event) => this.#take(event),
      onComment: () => {
        this.comments += 1;
      },
      onRetry: (retryMs) => {
        this.#retryMs = retryMs;
      },
    });
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      if (request === this.#request) parser.feed(text);
    });
  }

  #take({ id, event, data }: EventSourceMessage): void {
    if (id !== undefined) this.#lastEventId = id;
    if (event?.startsWith('tidings.')) {
      if (event === 'tidings.gap') this.receipt.notices.push(JSON.parse(data) as Notice);
      return;
    }
    if (id === undefined) {
      this.receipt.problems.push(`an event without an id: ${data.slice(0, 40)}`);
      return;
    }
    this.receipt.deliveries.push({ id, seq: Number.parseInt(data, 10), crc: crc32(data) });
  }

  #over(request: http.ClientRequest, atLeastMs = 0): void {
    if (request !== this.#request) return;
    this.#request = undefined;
    this.isOpen = false;
    this.endedAt = performance.now();
    if (this.#isClosed || this.#options.staysAway === true) return;
    const waitMs = Math.max(atLeastMs, this.#options.waitMs?.(this.#retryMs) ?? 0);
    this.#timer = setTimeout(() => this.connect(), waitMs);
  }
}
