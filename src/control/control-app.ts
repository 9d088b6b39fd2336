/** What backends reach: emit, tokens, health. Answers are JSON, but for the bare token. */
import type { NewToken } from '../auth/auth.ts';
import { TidingsError } from '../errors.ts';
import { type Answer, JSON_HEADERS, json, notAllowed } from '../http/answer.ts';
import { type Exchange, exchangeHandler } from '../http/exchange.ts';
import type { HttpHandler } from '../http/uws.ts';
import type { Logger } from '../logger.ts';
import type { Publisher } from '../publish/publisher.ts';
import { type Fields, parseFields } from './fields.ts';
import type { RequestOrigin } from './guard.ts';
import { parseEmit, parseTokenRequest } from './requests.ts';

export interface ControlOptions {
  readonly publisher: Publisher;
  /** Undefined when only a public key is known. */
  readonly sign: ((token: NewToken) => string) | undefined;
  /** Longest life of a token, in seconds. */
  readonly maxTokenSeconds: number;
  /** The id of the newest event. */
  readonly position: () => string;
  readonly maxBodyBytes: number;
  /** The page of `/`, undefined when there is none. */
  readonly page: (() => string) | undefined;
  /** True while connections should not outlive their answer. */
  readonly isTight: () => boolean;
  readonly logger: Logger;
}

/** `leaving`: not ready any more, but emits are taken, since the next process will have them. */
export type ControlPhase = 'closed' | 'serving' | 'leaving';

interface Route {
  readonly method: 'get' | 'post';
  readonly run: (exchange: Exchange) => void;
}

// The page is ours, whole, and runs nothing that is not in it.
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src *; base-uri 'none'; frame-ancestors 'none'";

export class ControlApp {
  readonly #options: ControlOptions;
  readonly #routes: ReadonlyMap<string, Route>;
  phase: ControlPhase = 'closed';

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#routes = this.#table();
  }

  /** For a listener, whichever server it is; `guard` throws for requests that may not be made there. */
  handlerFor(guard: (request: RequestOrigin) => void): HttpHandler {
    const { logger, isTight } = this.#options;
    return exchangeHandler({ logger, isTight, takesBodies: true }, (exchange, req) => {
      guard(exchange.head);
      this.#handle(exchange, req.getUrl());
    });
  }

  #table(): Map<string, Route> {
    const post = (answerTo: (fields: Fields) => Answer | Promise<Answer>): Route => ({
      method: 'post',
      run: (exchange) => this.#withFields(exchange, answerTo),
    });
    const get = (what: () => Answer): Route => ({
      method: 'get',
      run: (exchange) => exchange.answer(what()),
    });
    const routes: [string, Route][] = [
      ['/emit', post((fields) => this.#emit(fields))],
      ['/token', post((fields) => this.#token(fields))],
      ['/position', get(() => json(200, { id: this.#options.position() }))],
      ['/healthz', get(() => json(200, { status: 'ok' }))],
      ['/readyz', get(() => this.#ready())],
    ];
    const { page } = this.#options;
    if (page !== undefined) routes.push(['', get(() => pageAnswer(page()))]);
    return new Map(routes);
  }

  #handle(exchange: Exchange, path: string): void {
    const { head } = exchange;
    // Not before the guard: whoever may not ask learns nothing of how much happens here.
    exchange.lateHeaders = () => [['Tidings-Position', this.#options.position()]];
    const name = path.endsWith('/') ? path.slice(0, -1) : path;
    const route = this.#routes.get(name);
    if (head.method === 'options' && (name === '' || route !== undefined))
      return exchange.answer(this.#capabilities(route));
    if (route === undefined)
      throw new TidingsError('NOT_FOUND', 'no such path on the control port');
    const method = head.method === 'head' ? 'get' : head.method;
    if (method !== route.method) return exchange.answer(notAllowed(allowOf(route)));
    route.run(exchange);
  }

  // What load balancers ask when nobody has told them what to ask. Never a CORS header.
  #capabilities(route: Route | undefined): Answer {
    if (this.phase !== 'serving') return this.#ready();
    const allow = route === undefined ? 'GET, HEAD' : allowOf(route);
    return { status: 204, headers: [['Allow', `${allow}, OPTIONS`]] };
  }

  #withFields(exchange: Exchange, answerTo: (fields: Fields) => Answer | Promise<Answer>): void {
    exchange.readBody(this.#options.maxBodyBytes, (body) => {
      exchange.answerWith(() => answerTo(parseFields(exchange.head, body)));
    });
  }

  async #emit(fields: Fields): Promise<Answer> {
    if (this.phase === 'closed')
      throw new TidingsError('DRAINING', 'this server is leaving: emit again after its restart');
    return json(200, await this.#options.publisher.publish(parseEmit(fields)));
  }

  #token(fields: Fields): Answer {
    const { sign } = this.#options;
    if (sign === undefined)
      throw new TidingsError(
        'SIGNING_DISABLED',
        'this server only verifies tokens (-public-key): sign them where the private key is',
      );
    return {
      status: 200,
      headers: [['Content-Type', 'text/plain'], ...JSON_HEADERS.slice(1)],
      body: sign(parseTokenRequest(fields, this.#options)),
    };
  }

  #ready(): Answer {
    return this.phase === 'serving'
      ? json(200, { status: 'ready' })
      : json(503, { status: 'draining' });
  }
}

const allowOf = (route: Route): string => (route.method === 'get' ? 'GET, HEAD' : 'POST');

const pageAnswer = (html: string): Answer => ({
  status: 200,
  headers: [
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Content-Security-Policy', PAGE_POLICY],
    ...JSON_HEADERS.slice(1),
  ],
  body: html,
});
