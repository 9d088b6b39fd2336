/** What browsers reach: `GET /events/` opens a stream, everything else is a short answer. */

import { firstGrant, type Verify } from '../auth/auth.ts';
import { type Grant, TokenRefused } from '../auth/claims.ts';
import { TidingsError } from '../errors.ts';
import { clientOf, normaliseAddress, type PeerResolver } from '../http/address.ts';
import { type Answer, errorAnswer, type Headers, notAllowed } from '../http/answer.ts';
import type { Cors } from '../http/cors.ts';
import { type Exchange, exchangeHandler } from '../http/exchange.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { HttpApp, HttpRequest, HttpResponse } from '../http/uws.ts';
import { Counts } from '../hub/counts.ts';
import type { Hub } from '../hub/hub.ts';
import type { CloseReason, Stream } from '../hub/stream.ts';
import type { Logger } from '../logger.ts';
import type { Tally } from '../tally.ts';
import { encodeRetry } from '../wire/frame.ts';
import { Admission, type AdmissionLimits, type Owner, type Refusal } from './admission.ts';
import type { Guest, Guests } from './guests.ts';
import { lastEventIdOf, tokensOf } from './stream-request.ts';

/** When a browser comes back after a cut connection, in milliseconds: spread, so that not all come at once. */
const RETRY_MS = [1_000, 4_000] as const;

/** When a browser comes back that was refused for now, in milliseconds. */
const REFUSED_RETRY_MS = [5_000, 15_000] as const;

/** When a browser comes back whose stream gave way to a newer one, in milliseconds: soon would be a circle. */
const REPLACED_RETRY_MS = [300_000, 600_000] as const;

const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

const STREAM_TYPE = 'text/event-stream';

const STREAM_RULES: Headers = [
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
  ['X-Content-Type-Options', 'nosniff'],
];

const STREAM_HEADERS: Headers = [['Content-Type', STREAM_TYPE], ...STREAM_RULES];

// The addon copies a value as it is: one call, of constant text, in place of one for each line.
const STREAM_HEAD = [STREAM_TYPE, ...STREAM_RULES.map((header) => header.join(': '))].join('\r\n');

export interface PublicOptions {
  readonly hub: Hub;
  readonly verify: Verify;
  readonly limits: AdmissionLimits;
  /** Open streams of all threads; undefined: this one is alone. */
  readonly streams?: Tally | undefined;
  /** Counts streams by user and address in place of this thread alone; undefined: nobody does. */
  readonly guests?: Guests | undefined;
  /** A user or address that is full gets its newest stream in for its oldest. */
  readonly replacesOldest: boolean;
  /** Bits of an IPv6 address that make one client. */
  readonly addressPrefix6: number;
  readonly cors: Cors;
  readonly peers: PeerResolver;
  readonly allowsQueryToken: boolean;
  /** True while connections should not outlive their answer. */
  readonly isTight: () => boolean;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Unix seconds. */
  readonly now?: () => number;
}

type Refused = Refusal | 'token' | 'draining';

/** A stream that is to open. */
interface Arrival {
  readonly exchange: Exchange;
  readonly grant: Grant;
  readonly address: string;
  readonly lastEventId: string | undefined;
}

export class PublicApp {
  readonly #options: PublicOptions;
  readonly #admission: Admission<Stream>;
  readonly #random: () => number;
  readonly #now: () => number;
  /** Streams that were not opened, by why. */
  readonly refused = new Counts<Refused>([
    'token',
    'streams',
    'streams-per-user',
    'streams-per-address',
    'draining',
  ]);
  isDraining = false;

  constructor(options: PublicOptions) {
    this.#options = options;
    const { limits, guests, streams } = options;
    const own =
      guests === undefined ? limits : { ...limits, streamsPerUser: 0, streamsPerAddress: 0 };
    this.#admission = new Admission(own, streams);
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => Date.now() / 1000);
  }

  route(app: HttpApp): void {
    const { logger, cors, isTight } = this.#options;
    const headersFor = ({ origin }: RequestHead) => cors.headers(origin);
    app.any(
      '/*',
      exchangeHandler({ logger, isTight, headersFor, takesBodies: false }, (exchange, req) =>
        this.#handle(exchange, req),
      ),
    );
  }

  /** To be told of every stream that is over. */
  closed(stream: Stream, reason: CloseReason): void {
    this.#admission.leave(stream);
    this.#options.guests?.closed(stream);
    const level = reason === 'stalled' ? 'info' : 'debug';
    this.#options.logger[level]({ stream: stream.id, user: stream.user, reason }, 'stream closed');
  }

  /** Ends a stream that gives way to a newer one of its user or address. */
  replace(stream: Stream): void {
    const farewell = Buffer.from(`${encodeRetry(this.#between(REPLACED_RETRY_MS))}:\n`);
    this.#options.hub.end(stream, 'replaced', farewell);
  }

  #handle(exchange: Exchange, req: HttpRequest): void {
    const path = req.getUrl();
    if (path !== '/events/' && path !== '/events')
      throw new TidingsError('NOT_FOUND', 'streams are at /events/');
    switch (exchange.head.method) {
      case 'get':
        return this.#open(exchange, req);
      case 'head':
        this.#authorise(exchange, req);
        return exchange.answer({ status: 200, headers: STREAM_HEADERS });
      case 'options':
        return exchange.answer(this.#preflight(exchange.head));
      default:
        return exchange.answer(notAllowed(ALLOWED_METHODS));
    }
  }

  #authorise(exchange: Exchange, req: HttpRequest): Grant {
    try {
      const tokens = tokensOf(exchange.head, req, this.#options.allowsQueryToken);
      return firstGrant(tokens, this.#options.verify);
    } catch (error) {
      if (error instanceof TokenRefused) this.#logRefusal(error, this.#addressOf(exchange));
      throw error;
    }
  }

  // Here only: the answer is the same for every reason.
  #logRefusal({ reason, claim }: TokenRefused, address: string): void {
    this.refused.add('token');
    this.#options.logger.debug({ reason, claim, address }, 'token refused');
  }

  #open(exchange: Exchange, req: HttpRequest): void {
    const grant = this.#authorise(exchange, req);
    const isCounted = this.#options.limits.streamsPerAddress > 0;
    const address = isCounted ? this.#clientOf(exchange) : '';
    const lastEventId = lastEventIdOf(exchange.head, req) ?? grant.from;
    const arrival = { exchange, grant, address, lastEventId };
    const { guests } = this.#options;
    if (guests === undefined || this.isDraining) return void this.#enter(arrival);
    guests
      .enter({ user: grant.userId, address })
      .then((entry) => this.#admitted(arrival, entry))
      .catch((error) => exchange.fail(error));
  }

  // Out of the handler by now: what is written goes out together all the same.
  #admitted(arrival: Arrival, entry: Guest | Refusal): void {
    const { exchange } = arrival;
    if (typeof entry === 'string') return exchange.answer(this.#refusal(exchange.head, entry));
    const { guests } = this.#options;
    const stream = exchange.isOpen ? exchange.corked(() => this.#enter(arrival)) : undefined;
    if (stream === undefined) guests?.left(entry);
    else guests?.opened(entry, stream);
  }

  /** Undefined when the stream was refused. */
  #enter(arrival: Arrival): Stream | undefined {
    const { exchange, grant, address } = arrival;
    const { head } = exchange;
    const refusal = this.isDraining ? 'draining' : this.#admit({ user: grant.userId, address });
    if (refusal !== undefined) {
      exchange.answer(this.#refusal(head, refusal));
      return undefined;
    }
    const res = exchange.takeOver();
    this.#writeHead(res, this.#options.cors.headers(head.origin));
    const stream = this.#options.hub.open(res, {
      user: grant.userId,
      channels: grant.channels,
      address,
      expiresAt: this.#expiresAt(grant.exp),
      lastEventId: arrival.lastEventId,
      // First bytes at once: they carry the head through proxies that wait for a body.
      greeting: encodeRetry(this.#between(RETRY_MS)),
    });
    this.#admission.enter(stream);
    watch(res, stream);
    return stream;
  }

  // What an owner has too many of gives way, once for the user and once for the address at most.
  #admit(owner: Owner): Refusal | undefined {
    let refusal = this.#admission.refusal(owner);
    for (let i = 0; i < 2 && refusal !== undefined && this.#options.replacesOldest; i += 1) {
      const oldest = this.#admission.oldest(owner, refusal);
      if (oldest === undefined) break;
      this.replace(oldest);
      refusal = this.#admission.refusal(owner);
    }
    return refusal;
  }

  // From wall clock to monotonic clock, so that open streams do not mind when the former is set.
  #expiresAt(exp: number): number {
    return this.#options.hub.now() + (exp - this.#now());
  }

  // EventSource gives up for good on any status but 200, so being full must not look like an error
  // to it. Probes and scripts get the status they expect.
  #refusal(head: RequestHead, refusal: Refusal | 'draining'): Answer {
    this.refused.add(refusal);
    this.#options.logger.debug({ refusal }, 'stream refused');
    const retryMs = this.#between(REFUSED_RETRY_MS);
    if (head.accept.includes(STREAM_TYPE))
      return { status: 200, headers: STREAM_HEADERS, body: encodeRetry(retryMs), closes: true };
    const full = errorAnswer(
      new TidingsError('STREAM_LIMIT', `no more streams for now (${refusal}): come back later`),
    );
    const retryAfter = String(Math.ceil(retryMs / 1000));
    return {
      ...full,
      headers: [...(full.headers ?? []), ['Retry-After', retryAfter]],
      closes: true, // its file is wanted for others
    };
  }

  #preflight({ origin }: RequestHead): Answer {
    const headers = this.#options.cors.preflightHeaders(origin);
    return { status: 204, headers: [['Allow', ALLOWED_METHODS], ...headers] };
  }

  #writeHead(res: HttpResponse, corsHeaders: Headers): void {
    res.writeHeader('Content-Type', STREAM_HEAD); // and 200 OK before it
    for (const [name, value] of corsHeaders) res.writeHeader(name, value);
  }

  #clientOf(exchange: Exchange): string {
    return clientOf(this.#addressOf(exchange), this.#options.addressPrefix6);
  }

  #addressOf({ remoteAddress, head }: Exchange): string {
    return this.#options.peers.resolve(normaliseAddress(remoteAddress), head.forwardedFor);
  }

  #between([low, high]: readonly [number, number]): number {
    return low + this.#random() * (high - low);
  }
}

// The exchange's own handler gives way: it would keep the head of the request, with its token, for as
// long as the stream is open.
function watch(res: HttpResponse, stream: Stream): void {
  res.onAborted(() => stream.aborted());
  res.onWritable(() => {
    stream.writable();
    return true;
  });
}
