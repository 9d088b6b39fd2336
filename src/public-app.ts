/** What browsers reach: `GET /events/` opens a stream, everything else is a short answer. */
import { clientOf, normaliseAddress, type PeerResolver } from './address.ts';
import { Admission, type AdmissionLimits, type Owner, type Refusal } from './admission.ts';
import { firstGrant, type Verify } from './auth.ts';
import { type Grant, TokenRefused } from './claims.ts';
import type { Cors } from './cors.ts';
import { TidingsError } from './errors.ts';
import { encodeRetry } from './frame.ts';
import { type Answer, answer, errorAnswer, type Headers, notAllowed } from './http.ts';
import type { Hub } from './hub.ts';
import type { Logger } from './logger.ts';
import { lastEventIdOf, tokensOf } from './request-source.ts';
import type { CloseReason, Stream } from './stream.ts';
import type { ConnectionFilter, HttpApp, HttpHandler, HttpRequest, HttpResponse } from './uws.ts';

/** When a browser comes back after a cut connection, in milliseconds: spread, so that not all come at once. */
const RETRY_MS = [1_000, 4_000] as const;

/** When a browser comes back that was refused for now, in milliseconds. */
const REFUSED_RETRY_MS = [5_000, 15_000] as const;

/** When a browser comes back whose stream gave way to a newer one, in milliseconds: soon would be a circle. */
const REPLACED_RETRY_MS = [300_000, 600_000] as const;

/** While connections are refused, the log has a line this often. */
const SHED_LOG_SECONDS = 10;

const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

const STREAM_HEADERS: Headers = [
  ['Content-Type', 'text/event-stream'],
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
  ['X-Content-Type-Options', 'nosniff'],
];

export interface PublicOptions {
  readonly hub: Hub;
  readonly verify: Verify;
  readonly limits: AdmissionLimits;
  /** A user or address that is full gets its newest stream in for its oldest. */
  readonly replacesOldest: boolean;
  /** Bits of an IPv6 address that make one client. */
  readonly addressPrefix6: number;
  readonly cors: Cors;
  readonly peers: PeerResolver;
  readonly allowsQueryToken: boolean;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Unix seconds. */
  readonly now?: () => number;
}

// A proxy may add a line of its own below that of the client (RFC 9110, 5.3: lines are one list).
function forwardedFor(req: HttpRequest): string {
  const lines: string[] = [];
  req.forEach((name, value) => {
    if (name === 'x-forwarded-for') lines.push(value);
  });
  return lines.join(',');
}

export class PublicApp {
  readonly #options: PublicOptions;
  readonly #admission: Admission<Stream>;
  readonly #random: () => number;
  readonly #now: () => number;
  #connections = 0;
  #shedCount = 0;
  #shedToldAt = Number.NEGATIVE_INFINITY;
  isDraining = false;

  constructor(options: PublicOptions) {
    this.#options = options;
    this.#admission = new Admission(options.limits);
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => Date.now() / 1000);
  }

  /**
   * Connections above the limit are closed as they come, those without a request too: with no
   * file left the addon would try to accept them for ever, and nobody could reach the control port.
   */
  route(app: HttpApp, limit: { readonly current: number }): void {
    app.any('/*', this.#handle);
    const count: ConnectionFilter = (res, change) => {
      this.#connections += change;
      if (change === 1 && this.#connections > limit.current) this.#shed(res);
    };
    app.filter(count);
  }

  #shed(res: HttpResponse): void {
    this.#shedCount += 1;
    res.close();
    const now = this.#options.hub.now();
    if (now - this.#shedToldAt < SHED_LOG_SECONDS) return;
    this.#shedToldAt = now;
    this.#options.logger.warn(
      { refused: this.#shedCount, open: this.#connections },
      'connections refused: raise the limit on open files',
    );
  }

  /** To be told of every stream that is over. */
  closed(stream: Stream, reason: CloseReason): void {
    this.#admission.leave(stream);
    const level = reason === 'stalled' ? 'info' : 'debug';
    this.#options.logger[level]({ stream: stream.id, user: stream.user, reason }, 'stream closed');
  }

  readonly #handle: HttpHandler = (res, req) => {
    let stream: Stream | undefined;
    let isAborted = false;
    res.onAborted(() => {
      isAborted = true;
      stream?.aborted();
    });
    try {
      stream = this.#respond(res, req);
    } catch (error) {
      if (!(error instanceof TidingsError))
        this.#options.logger.error({ err: error }, 'request failed');
      if (error instanceof TokenRefused) this.#logRefusal(error, this.#addressOf(res, req));
      if (!isAborted) this.#answer(res, req, errorAnswer(error));
    }
  };

  // The stream when the response became one.
  #respond(res: HttpResponse, req: HttpRequest): Stream | undefined {
    const path = req.getUrl();
    if (path !== '/events/' && path !== '/events')
      throw new TidingsError('NOT_FOUND', 'streams are at /events/');
    switch (req.getMethod()) {
      case 'get':
        return this.#open(res, req);
      case 'head':
        this.#authorise(req);
        this.#answer(res, req, { status: 200, headers: STREAM_HEADERS });
        return undefined;
      case 'options':
        this.#preflight(res, req);
        return undefined;
      default:
        this.#answer(res, req, notAllowed(ALLOWED_METHODS));
        return undefined;
    }
  }

  #authorise(req: HttpRequest): Grant {
    return firstGrant(tokensOf(req, this.#options.allowsQueryToken), this.#options.verify);
  }

  // Here only: the answer is the same for every reason.
  #logRefusal({ reason, claim }: TokenRefused, address: string): void {
    this.#options.logger.debug({ reason, claim, address }, 'token refused');
  }

  #open(res: HttpResponse, req: HttpRequest): Stream | undefined {
    const grant = this.#authorise(req);
    const address = this.#admission.countsAddresses ? this.#clientOf(res, req) : '';
    const refusal = this.isDraining ? 'draining' : this.#admit({ user: grant.userId, address });
    if (refusal !== undefined) {
      this.#refuse(res, req, refusal);
      return undefined;
    }
    const corsHeaders = this.#options.cors.headers(req.getHeader('origin'));
    this.#writeHead(res, corsHeaders);
    const stream = this.#options.hub.open(res, {
      user: grant.userId,
      channels: grant.channels,
      address,
      expiresAt: this.#expiresAt(grant.exp),
      lastEventId: lastEventIdOf(req) ?? grant.from,
      // First bytes at once: they carry the head through proxies that wait for a body.
      greeting: encodeRetry(this.#between(RETRY_MS)),
    });
    this.#admission.enter(stream);
    res.onWritable(() => {
      stream.writable();
      return true;
    });
    return stream;
  }

  // What an owner has too many of gives way, once for the user and once for the address at most.
  #admit(owner: Owner): Refusal | undefined {
    let refusal = this.#admission.refusal(owner);
    for (let i = 0; i < 2 && refusal !== undefined && this.#options.replacesOldest; i += 1) {
      const oldest = this.#admission.oldest(owner, refusal);
      if (oldest === undefined) break;
      const farewell = Buffer.from(`${encodeRetry(this.#between(REPLACED_RETRY_MS))}:\n`);
      this.#options.hub.end(oldest, 'replaced', farewell);
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
  #refuse(res: HttpResponse, req: HttpRequest, refusal: string): void {
    this.#options.logger.debug({ refusal }, 'stream refused');
    const retryMs = this.#between(REFUSED_RETRY_MS);
    if (req.getHeader('accept').includes('text/event-stream')) {
      const headers = [...STREAM_HEADERS];
      const body = encodeRetry(retryMs);
      return this.#answer(res, req, { status: 200, headers, body, closes: true });
    }
    const error = new TidingsError(
      'STREAM_LIMIT',
      `no more streams for now (${refusal}): come back later`,
    );
    const full = errorAnswer(error);
    const retryAfter = String(Math.ceil(retryMs / 1000));
    this.#answer(res, req, {
      ...full,
      headers: [...(full.headers ?? []), ['Retry-After', retryAfter]],
      closes: true, // its file is wanted for others
    });
  }

  #preflight(res: HttpResponse, req: HttpRequest): void {
    const headers = this.#options.cors.preflightHeaders(req.getHeader('origin'));
    this.#answer(res, req, { status: 204, headers: [['Allow', ALLOWED_METHODS], ...headers] });
  }

  #answer(res: HttpResponse, req: HttpRequest, what: Answer): void {
    const corsHeaders = this.#options.cors.headers(req.getHeader('origin'));
    const headers = [...(what.headers ?? []), ...corsHeaders];
    answer(res, { ...what, headers }, req.getMethod() === 'head');
  }

  #writeHead(res: HttpResponse, corsHeaders: Headers): void {
    res.writeStatus('200 OK');
    for (const [name, value] of STREAM_HEADERS) res.writeHeader(name, value);
    for (const [name, value] of corsHeaders) res.writeHeader(name, value);
  }

  #clientOf(res: HttpResponse, req: HttpRequest): string {
    return clientOf(this.#addressOf(res, req), this.#options.addressPrefix6);
  }

  #addressOf(res: HttpResponse, req: HttpRequest): string {
    const peer = normaliseAddress(Buffer.from(res.getRemoteAddressAsText()).toString('latin1'));
    return this.#options.peers.resolve(peer, forwardedFor(req));
  }

  #between([low, high]: readonly [number, number]): number {
    return low + this.#random() * (high - low);
  }
}
