/** What browsers reach: `GET /events/` opens a stream, everything else is a short answer. */

import { firstGrant, type Verify } from '../auth/auth.ts';
import { type Grant, TokenRefused, TokenUndecided } from '../auth/claims.ts';
import { TidingsError } from '../errors.ts';
import { clientOf, normaliseAddress, type PeerResolver } from '../http/address.ts';
import { type Answer, notAllowed } from '../http/answer.ts';
import type { Cors } from '../http/cors.ts';
import { type Exchange, exchangeHandler } from '../http/exchange.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { HttpApp, HttpRequest } from '../http/uws.ts';
import { Counts } from '../hub/counts.ts';
import type { Hub } from '../hub/hub.ts';
import type { CloseReason, Stream } from '../hub/stream.ts';
import type { Logger } from '../logger.ts';
import type { Tally } from '../tally.ts';
import { encodeRetry } from '../wire/frame.ts';
import { Admission, type AdmissionLimits, type Owner, type Refusal } from './admission.ts';
import type { Guest, Guests } from './guests.ts';
import {
  comeBack,
  type Later,
  NOT_OPENED,
  REFUSED_RETRY_MS,
  STREAM_HEADERS,
  watch,
  writeStreamHead,
} from './stream-answers.ts';
import { lastEventIdOf, tokensOf } from './stream-request.ts';
import { MAX_WAITING, WaitingRoom } from './waiting-room.ts';

/** When a browser comes back after a cut connection, in milliseconds: spread, so that not all come at once. */
const RETRY_MS = [1_000, 4_000] as const;

/** When a browser comes back whose stream gave way to a newer one, in milliseconds: soon would be a circle. */
const REPLACED_RETRY_MS = [300_000, 600_000] as const;

const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

/** The answer that makes a native EventSource stay away for good. */
const REVOKED: Answer = { status: 204 };

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
  /** Requests that may wait for an answer from elsewhere at once. */
  readonly seats?: number;
  readonly random?: () => number;
  /** Unix seconds. */
  readonly now?: () => number;
}

/** A stream that is to open: all that its request said, which is gone by the time others have answered. */
interface Arrival {
  readonly exchange: Exchange;
  readonly address: string;
  readonly lastEventId: string | undefined;
}

export class PublicApp {
  readonly #options: PublicOptions;
  readonly #admission: Admission<Stream>;
  readonly #waiting: WaitingRoom;
  readonly #random: () => number;
  readonly #now: () => number;
  /** Streams that were not opened, by why. */
  readonly refused = new Counts(NOT_OPENED);
  isDraining = false;

  constructor(options: PublicOptions) {
    this.#options = options;
    const { limits, guests, streams } = options;
    const own =
      guests === undefined ? limits : { ...limits, streamsPerUser: 0, streamsPerAddress: 0 };
    this.#admission = new Admission(own, streams);
    this.#waiting = new WaitingRoom(options.seats ?? MAX_WAITING);
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
        return this.#probe(exchange, req);
      case 'options':
        return exchange.answer(this.#preflight(exchange.head));
      default:
        return exchange.answer(notAllowed(ALLOWED_METHODS));
    }
  }

  #authorise(exchange: Exchange, req: HttpRequest): Grant | Promise<Grant> {
    try {
      const tokens = tokensOf(exchange.head, req, this.#options.allowsQueryToken);
      const grant = firstGrant(tokens, this.#options.verify);
      if (!(grant instanceof Promise)) return grant;
      const address = this.#addressOf(exchange); // while there is one
      return grant.catch((error) => this.#refuseToken(error, address));
    } catch (error) {
      return this.#refuseToken(error, this.#addressOf(exchange));
    }
  }

  // The log only: the answer is the same for every reason.
  #refuseToken(error: unknown, address: string): never {
    if (error instanceof TokenRefused) {
      const { reason, claim, expiredFor } = error;
      if (expiredFor !== undefined) this.#noteRefusal(expiredFor, 'expired');
      this.refused.add(error.isUntimely ? 'token-time' : 'token');
      this.#options.logger.debug({ reason, claim, address }, 'token refused');
    }
    throw error;
  }

  #probe(exchange: Exchange, req: HttpRequest): void {
    const grant = this.#authorise(exchange, req);
    const tell = (known: Grant) =>
      exchange.answer(this.#isRevoked(known) ? REVOKED : { status: 200, headers: STREAM_HEADERS });
    if (grant instanceof Promise) this.#wait(exchange, grant, tell);
    else tell(grant);
  }

  // Three steps: whose stream it is, whether there is room for it, the stream. Each of the first two may
  // have to be asked elsewhere, and nothing of the request but what the arrival holds is left by then.
  #open(exchange: Exchange, req: HttpRequest): void {
    const grant = this.#authorise(exchange, req);
    const isCounted = this.#options.limits.streamsPerAddress > 0;
    const address = isCounted ? this.#clientOf(exchange) : '';
    const arrival = { exchange, address, lastEventId: lastEventIdOf(exchange.head, req) };
    if (!(grant instanceof Promise)) return this.#admit(arrival, grant);
    this.#wait(exchange, grant, (known) => {
      if (exchange.isOpen) exchange.corked(() => this.#admit(arrival, known));
    });
  }

  #admit(arrival: Arrival, grant: Grant): void {
    if (this.#isRevoked(grant)) return this.#turnAway(arrival.exchange, grant);
    const { guests } = this.#options;
    if (guests === undefined || this.isDraining) return void this.#enter(arrival, grant);
    const { exchange, address } = arrival;
    if (this.#waiting.isFull) return this.#sendAway(exchange, 'waiting', grant);
    this.#wait(exchange, guests.enter({ user: grant.userId, address }), (entry) =>
      this.#admitted(arrival, grant, entry),
    );
  }

  // Out of the handler by now: what is written goes out together all the same.
  #admitted(arrival: Arrival, grant: Grant, entry: Guest | Refusal): void {
    const { exchange } = arrival;
    if (typeof entry === 'string') return this.#sendAway(exchange, entry, grant);
    const { guests } = this.#options;
    const stream = exchange.isOpen ? exchange.corked(() => this.#enter(arrival, grant)) : undefined;
    if (stream === undefined) guests?.left(entry);
    else guests?.opened(entry, stream);
  }

  // `next` is called for a client that has gone meanwhile, too.
  #wait<T>(exchange: Exchange, answer: Promise<T>, next: (value: T) => void): void {
    const fail = (error: unknown) => this.#fail(exchange, error);
    if (!this.#waiting.seat(answer.then(next).catch(fail))) this.#sendAway(exchange, 'waiting');
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof TokenUndecided) this.#sendAway(exchange, 'keys');
    else exchange.fail(error);
  }

  /** Undefined when the stream was refused. */
  #enter({ exchange, address, lastEventId }: Arrival, grant: Grant): Stream | undefined {
    if (this.#isRevoked(grant)) return this.#turnAway(exchange, grant);
    const refusal = this.isDraining ? 'draining' : this.#refusal({ user: grant.userId, address });
    if (refusal !== undefined) return this.#sendAway(exchange, refusal, grant);
    const res = exchange.takeOver();
    writeStreamHead(res, this.#options.cors.headers(exchange.head.origin));
    const stream = this.#options.hub.open(res, {
      user: grant.userId,
      channels: grant.channels,
      address,
      issuedAt: grant.issuedAt,
      tokenId: grant.tokenId,
      expiresAt: this.#expiresAt(grant.exp),
      lastEventId: lastEventId ?? grant.from,
      // First bytes at once: they carry the head through proxies that wait for a body.
      greeting: encodeRetry(this.#between(RETRY_MS)),
    });
    this.#admission.enter(stream);
    watch(res, stream);
    return stream;
  }

  #turnAway(exchange: Exchange, grant: Grant): undefined {
    this.refused.add('revoked');
    this.#noteRefusal(grant.userId, 'revoked');
    this.#options.logger.debug('stream refused: its token is revoked');
    exchange.answer(REVOKED);
  }

  /** For whoever asks why this user gets nothing. */
  #noteRefusal(userId: string, refusal: string): void {
    const { hub } = this.#options;
    hub.attendance.refused(userId, refusal, hub.now());
  }

  // To be asked in the very turn in which a stream opens: what is revoked later ends it.
  #isRevoked({ userId, issuedAt, tokenId }: Grant): boolean {
    return this.#options.hub.revocations.covers({ user: userId, issuedAt, tokenId });
  }

  // What an owner has too many of gives way, once for the user and once for the address at most.
  #refusal(owner: Owner): Refusal | undefined {
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

  /** Without a grant nobody knows yet whose stream it was to be. */
  #sendAway(exchange: Exchange, why: Later, grant?: Grant): undefined {
    this.refused.add(why);
    if (grant !== undefined) this.#noteRefusal(grant.userId, why);
    this.#options.logger.debug({ refusal: why }, 'stream refused');
    exchange.answer(comeBack(exchange.head, why, this.#between(REFUSED_RETRY_MS)));
  }

  #preflight({ origin }: RequestHead): Answer {
    const headers = this.#options.cors.preflightHeaders(origin);
    return { status: 204, headers: [['Allow', ALLOWED_METHODS], ...headers] };
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
