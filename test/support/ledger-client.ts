/**
 * A client that comes back, as the specification has it: after every end it waits, then asks for what
 * follows the last id it dispatched. It keeps a receipt of everything.
 */
import http from 'node:http';
import https from 'node:https';
import { crc32 } from 'node:zlib';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Receipt } from './ledger.ts';
import { bearer, tokenFor } from './tokens.ts';

/** How soon a client whose connection was refused tries again, in milliseconds. */
const REFUSED_MS = 100;

/** Told of what becomes of a client's streams. */
export interface StreamWatch {
  /** `expiresAt`: Unix seconds. */
  opened(expiresAt: number): void;
  /** Bytes have come. */
  bytes(): void;
  over(): void;
}

export interface LedgerClientOptions {
  /** The server's, without `/events/`; a proxy's, with its path; or `unix:/path`. */
  readonly url: string;
  /** Servers of the same streams, which it comes back to in turn. */
  readonly others?: readonly string[] | undefined;
  readonly user: string;
  readonly channels: readonly string[];
  /** The id after which it begins; undefined: with what comes from its first stream on. */
  readonly since?: string | undefined;
  /** How long each of its tokens lives, in seconds; a new one for every stream. Default: an hour, one for all. */
  readonly tokenSeconds?: number | undefined;
  readonly watch?: StreamWatch | undefined;
  /** How long to wait before coming back, given what the server asked for; default: not at all. */
  readonly waitMs?: ((retryMs: number) => number) | undefined;
  /** True: stays away once its stream has ended. */
  readonly staysAway?: boolean | undefined;
}

const expiryOf = (token: string): number =>
  (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number }).exp;

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
  #token: string;
  #request: http.ClientRequest | undefined;
  #response: http.IncomingMessage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tries = 0;
  #isClosed = false;
  #lastEventId: string | undefined;
  #retryMs = 0;
  /** The name of the frame that has to come next. */
  #awaits: 'open' | 'gap' | 'anything' = 'open';

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
      ids: [],
      connections: 0,
      problems: [],
    };
    this.connect();
  }

  /** Of the newest event. */
  get lastId(): string | undefined {
    return this.receipt.deliveries.at(-1)?.id;
  }

  /** What it would send when it comes back. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  connect(): void {
    const { user, channels, tokenSeconds } = this.#options;
    if (tokenSeconds !== undefined)
      this.#token = tokenFor(user, channels, { expiresIn: tokenSeconds });
    const headers = {
      ...bearer(this.#token),
      accept: 'text/event-stream',
      ...(this.#lastEventId === undefined ? {} : { 'last-event-id': this.#lastEventId }),
    };
    const request = requestTo(this.#nextUrl(), headers);
    this.#request = request;
    request.on('response', (response) => this.#opened(request, response));
    request.on('error', () => this.#over(request, REFUSED_MS));
    request.end();
  }

  #nextUrl(): string {
    const { url, others = [] } = this.#options;
    this.#tries += 1;
    return [url, ...others][(this.#tries - 1) % (1 + others.length)]!;
  }

  /** Drops the connection and comes back. */
  cut(): void {
    const request = this.#request;
    if (request === undefined || !this.isOpen) return;
    this.#over(request);
    request.destroy();
  }

  /** Drops whatever connection there is, even one that has not been answered, and comes back. */
  abandon(): void {
    const request = this.#request;
    if (request === undefined) return;
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
    this.#awaits = 'open';
    this.receipt.connections += 1;
    this.#options.watch?.opened(expiryOf(this.#token));
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
      if (request !== this.#request) return;
      this.#options.watch?.bytes();
      parser.feed(text);
    });
  }

  // Every id counts as the last one, whatever the event's name, as it does in a browser.
  #take({ id, event, data }: EventSourceMessage): void {
    const isOwn = event?.startsWith('tidings.') === true;
    this.#checkOpening(event ?? 'message', id);
    if (event === 'tidings.gap') this.#noteGap(id, JSON.parse(data));
    else if (!isOwn && id === undefined)
      this.receipt.problems.push(`an event without an id: ${data.slice(0, 40)}`);
    if (id === undefined) return;
    if (!isOwn)
      this.receipt.deliveries.push({ id, seq: Number.parseInt(data, 10), crc: crc32(data) });
    if (!isOwn || id !== this.#lastEventId) this.receipt.ids.push({ id, isEvent: !isOwn });
    this.#lastEventId = id;
    this.receipt.since ??= id;
  }

  // Where a stream begins is told first; where that is behind a gap, the gap is told next.
  #checkOpening(event: string, id: string | undefined): void {
    const { problems } = this.receipt;
    if (this.#awaits !== 'anything' && event !== `tidings.${this.#awaits}`)
      problems.push(`got ${event} instead of tidings.${this.#awaits}`);
    this.#awaits = event === 'tidings.open' && id === undefined ? 'gap' : 'anything';
  }

  #noteGap(id: string | undefined, told: unknown): void {
    const { after, resumed, reason } = told as Record<string, unknown>;
    if (typeof after !== 'string' || typeof resumed !== 'string' || typeof reason !== 'string')
      this.receipt.problems.push(`not a notice: ${JSON.stringify(told)}`);
    else this.receipt.notices.push({ after, resumed, reason, id, last: this.#lastEventId });
  }

  #over(request: http.ClientRequest, atLeastMs = 0): void {
    if (request !== this.#request) return;
    this.#request = undefined;
    if (this.isOpen) this.#options.watch?.over();
    this.isOpen = false;
    this.endedAt = performance.now();
    if (this.#isClosed || this.#options.staysAway === true) return;
    const waitMs = Math.max(atLeastMs, this.#options.waitMs?.(this.#retryMs) ?? 0);
    this.#timer = setTimeout(() => this.connect(), waitMs);
  }
}
