/** What backends reach: emit, tokens, health. Answers are JSON, but for the bare token. */
import type { NewToken } from '../auth/auth.ts';
import { TidingsError } from '../errors.ts';
import { type Answer, JSON_HEADERS, json } from '../http/answer.ts';
import { type Exchange, exchangeHandler } from '../http/exchange.ts';
import type { HttpHandler } from '../http/uws.ts';
import { type Measures, single } from '../hub/measures.ts';
import type { Logger } from '../logger.ts';
import type { Publisher } from '../publish/publisher.ts';
import { Emits, LINE_TYPES } from './emits.ts';
import type { Fields } from './fields.ts';
import type { RequestOrigin } from './guard.ts';
import { type Condition, readinessOf, SERVING } from './readiness.ts';
import { parseTokenRequest } from './requests.ts';
import { get, post, type Route, Router } from './router.ts';

export interface ControlOptions {
  readonly publisher: Publisher;
  /** Undefined when only public keys are known. */
  readonly sign: ((token: NewToken) => string) | undefined;
  /** Longest life of a token, in seconds. */
  readonly maxTokenSeconds: number;
  /** The id of the newest event. */
  readonly position: () => string;
  /** What is measured, in the format that `accept` asks for. */
  readonly metrics: (accept: string) => Promise<{ contentType: string; text: string }>;
  /** What other desks answer. */
  readonly routes: readonly Route[];
  /** What has to be so for the server to be ready, besides that it is not leaving. */
  readonly conditions?: () => readonly Condition[];
  /** Of a body that is read whole, and of a line of one that streams in. */
  readonly maxBodyBytes: number;
  /** What `/openapi.json` says of these routes. */
  readonly describe: (routes: readonly Route[]) => object;
  /** Bytes of entries that streams may still be waiting for. */
  readonly pendingBytes: () => number;
  /** The page of `/`, undefined when there is none. */
  readonly page: (() => string) | undefined;
  /** True while connections should not outlive their answer. */
  readonly isTight: () => boolean;
  readonly logger: Logger;
}

/** `leaving`: not ready any more, but emits are taken, since the next process will have them. */
export type ControlPhase = 'closed' | 'serving' | 'leaving';

// The page is ours, whole, and runs nothing that is not in it.
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src *; base-uri 'none'; frame-ancestors 'none'";

export class ControlApp {
  readonly #options: ControlOptions;
  readonly #router: Router;
  readonly routes: readonly Route[];
  readonly #emits: Emits;
  phase: ControlPhase = 'closed';

  constructor(options: ControlOptions) {
    this.#options = options;
    const { publisher, logger, maxBodyBytes, pendingBytes } = options;
    const checkOpen = () => this.#checkOpen();
    const maxLineBytes = maxBodyBytes;
    this.#emits = new Emits({ publisher, logger, maxLineBytes, pendingBytes, checkOpen });
    const capabilities = (allow: string) => this.#capabilities(allow);
    this.routes = this.#routes();
    this.#router = new Router(this.routes, { maxBodyBytes, capabilities });
  }

  get measures(): Measures {
    const ready = single(Number(this.#isReady));
    return { values: { emits: this.#emits.counts.record, ready }, times: {} };
  }

  /** For a listener, whichever server it is; `guard` throws for requests that may not be made there. */
  handlerFor(guard: (request: RequestOrigin) => void): HttpHandler {
    const { logger, isTight } = this.#options;
    return exchangeHandler({ logger, isTight, takesBodies: true }, (exchange, req) => {
      guard(exchange.head);
      this.#handle(exchange, req.getUrl());
    });
  }

  // Each is described in src/openapi, where src/openapi/document.ts says how; a test asks for it.
  #routes(): Route[] {
    const { position, page, describe } = this.#options;
    const routes = [
      this.#emitRoute(),
      post('/token/', (fields) => this.#token(fields)),
      get('/position/', () => json(200, { id: position() })),
      get('/metrics', ({ head }) => this.#metrics(head.accept)),
      ...this.#options.routes,
      get('/healthz', () => json(200, { status: 'ok' })),
      get('/readyz', () => this.#ready()),
      get('/openapi.json', () => json(200, describe(this.routes))),
    ];
    if (page !== undefined) routes.push(get('/', () => pageAnswer(page())));
    return routes;
  }

  #handle(exchange: Exchange, path: string): void {
    // Not before the guard: whoever may not ask learns nothing of how much happens here.
    exchange.lateHeaders = () => [['Tidings-Position', this.#options.position()]];
    // With or without a page there.
    if (path === '/' && exchange.head.method === 'options')
      return exchange.answer(this.#capabilities('GET, HEAD'));
    this.#router.run(exchange, path);
  }

  // What load balancers ask when nobody has told them what to ask. Never a CORS header.
  #capabilities(allow: string): Answer {
    if (!this.#isReady) return this.#ready();
    return { status: 204, headers: [['Allow', `${allow}, OPTIONS`]] };
  }

  #emitRoute(): Route {
    const emits = this.#emits;
    return {
      method: 'post',
      path: '/emit/',
      body: 'fields',
      run: (fields, call) => emits.one(fields, call),
      runAll: (list, call) => emits.all(list, call),
      streamed: { types: LINE_TYPES, run: (pieces, call) => emits.lines(pieces, call) },
    };
  }

  #checkOpen(): void {
    if (this.phase === 'closed')
      throw new TidingsError('DRAINING', 'this server is leaving: emit again after its restart');
  }

  async #metrics(accept: string): Promise<Answer> {
    const { contentType, text } = await this.#options.metrics(accept);
    return {
      status: 200,
      headers: [['Content-Type', contentType], ...JSON_HEADERS.slice(1)],
      body: text,
    };
  }

  #token(fields: Fields): Answer {
    const { sign } = this.#options;
    if (sign === undefined)
      throw new TidingsError(
        'SIGNING_DISABLED',
        'this server only verifies tokens (-public-key, -jwks): they are signed where the private key is',
      );
    return {
      status: 200,
      headers: [['Content-Type', 'text/plain'], ...JSON_HEADERS.slice(1)],
      body: sign(parseTokenRequest(fields, this.#options)),
    };
  }

  get #isReady(): boolean {
    return this.#conditions.every(({ ok }) => ok);
  }

  #ready(): Answer {
    return readinessOf(this.#conditions);
  }

  get #conditions(): Condition[] {
    const ok = this.phase === 'serving';
    const serving = { name: SERVING, ok, reason: ok ? undefined : 'this server is leaving' };
    return [serving, ...(this.#options.conditions?.() ?? [])];
  }
}

const pageAnswer = (html: string): Answer => ({
  status: 200,
  headers: [
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Content-Security-Policy', PAGE_POLICY],
    ...JSON_HEADERS.slice(1),
  ],
  body: html,
});
