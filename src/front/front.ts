/** What serves streams in one thread: a hub, the clock of its streams, and the public listener. */
import type { LookUp } from '../auth/issuer.ts';
import type { IssuerKey } from '../auth/jwks.ts';
import type { Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import { Cors } from '../http/cors.ts';
import { Listener } from '../http/listener.ts';
import { createApp, type HttpApp } from '../http/uws.ts';
import { Clockwork } from '../hub/clockwork.ts';
import type { Hub } from '../hub/hub.ts';
import type { Measures } from '../hub/measures.ts';
import { type AnswerTo, answerOf, type Question } from '../hub/questions.ts';
import type { CloseReason, Stream } from '../hub/stream.ts';
import type { Logger } from '../logger.ts';
import type { AdmissionLimits } from '../public/admission.ts';
import type { Guests } from '../public/guests.ts';
import { PublicApp } from '../public/public-app.ts';
import type { Replica } from '../publish/replica.ts';
import type { Tally } from '../tally.ts';
import type { Connections } from './connections.ts';
import { type DrainOptions, drain } from './drain.ts';
import { tlsFiles } from './tls-files.ts';
import { Verification } from './verification.ts';

/** All that serves streams, in one thread or in several. */
export interface Fronts {
  /** Where streams are, e.g. `http://127.0.0.1:8000`; empty before `listen`. */
  readonly url: string;
  /** Where entries go once they have their numbers. */
  readonly store: Replica;
  /** Open streams. */
  readonly streamCount: number;
  /** False while no key of the issuer is known; undefined: there is no issuer. */
  readonly hasKeys: boolean | undefined;
  /** Everything through this number can be resumed from, wherever a client comes. */
  readonly position: number;
  /** @throws TidingsError `CONFIG_INVALID` when the address is not to be had */
  listen(): Promise<void>;
  /** Time counts from now on: heartbeats, expiring tokens. */
  start(): void;
  /** Pages of one more origin may read streams. */
  allow(origin: string): void;
  /** What each of the hubs answers. */
  ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>[]>;
  /** No new streams from now on. */
  refuse(): void;
  /** Ends all streams; true when some had last bytes that still wait to be sent. */
  drain(options: DrainOptions): Promise<boolean>;
  /** Closes what is still open. Idempotent. */
  close(): Promise<void>;
}

export interface FrontOptions {
  readonly config: Config & { readonly keys: TokenKeys };
  readonly logger: Logger;
  readonly connections: Connections;
  /** Makes the hub, which is to tell `onClosed` of each stream that is over. */
  readonly makeHub: (onClosed: (stream: Stream, reason: CloseReason) => void) => Hub;
  /** Open streams of all threads; undefined: this one is alone. */
  readonly streams?: Tally;
  /** Counts the streams of all threads by user and address; undefined: nobody does, or this one is alone. */
  readonly guests?: Guests | undefined;
  /** Asks another thread about keys of an issuer; undefined: this one asks the issuer itself. */
  readonly lookUp?: LookUp;
  /** The port is shared with other threads of this process. */
  readonly sharesPort: boolean;
}

export class Front implements Fronts {
  readonly hub: Hub;
  readonly #options: FrontOptions;
  readonly #cors: Cors;
  readonly #clockwork: Clockwork;
  readonly #verification: Verification;
  readonly #app: PublicApp;
  readonly #http: HttpApp;
  #listener: Listener | undefined;

  /** @throws TidingsError `CONFIG_INVALID`, `ADDON_UNAVAILABLE` */
  constructor(options: FrontOptions) {
    const { config, connections, logger, lookUp, makeHub } = options;
    this.#options = options;
    this.#cors = new Cors(config.cors, config['cors-headers']);
    this.hub = makeHub((stream, reason) => this.#app.closed(stream, reason));
    this.#clockwork = new Clockwork({
      hub: this.hub,
      heartbeatSeconds: config.heartbeat,
      stallSeconds: config.stall,
    });
    this.#verification = new Verification({
      keys: config.keys,
      rules: config.tokens,
      logger,
      lookUp,
    });
    this.#app = this.#publicApp();
    this.hub.instruments.beside = () => this.#measures;
    this.#http = createApp(tlsFiles(config));
    this.#app.route(this.#http);
    this.#http.filter(connections.filter('public'));
  }

  get store(): Hub {
    return this.hub;
  }

  get url(): string {
    return this.#listener?.url ?? '';
  }

  get streamCount(): number {
    return this.hub.streams.size;
  }

  get hasKeys(): boolean | undefined {
    return this.#verification.hasKeys;
  }

  get position(): number {
    return this.hub.head;
  }

  /** `port`: in place of the one that is configured. */
  async listen(port?: number): Promise<void> {
    const { config, sharesPort } = this.#options;
    this.#verification.start();
    const { publicAddress } = config;
    const address =
      port === undefined || publicAddress.kind === 'unix'
        ? publicAddress
        : { ...publicAddress, port };
    const scheme = config.cert === '' ? 'http' : 'https';
    this.#listener = await Listener.open(this.#http, address, { flag: 'bind', scheme, sharesPort });
  }

  start(): void {
    this.#clockwork.start();
  }

  allow(origin: string): void {
    this.#cors.allow(origin);
  }

  async ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>[]> {
    return [answerOf(this.hub, question)];
  }

  refuse(): void {
    this.#app.isDraining = true;
    this.#listener?.close();
  }

  /** Keys of the issuer that another thread has got. */
  useKeys(keys: readonly IssuerKey[]): void {
    this.#verification.replace(keys);
  }

  /** Ends a stream that gives way to a newer one of its user or address. */
  replace(stream: Stream): void {
    this.#app.replace(stream);
  }

  async drain(options: DrainOptions): Promise<boolean> {
    const { flow } = this.hub;
    const before = flow.endedBlockedCount;
    await drain(this.hub, options);
    return flow.endedBlockedCount > before;
  }

  async close(): Promise<void> {
    this.#clockwork.stop();
    this.#verification.close();
    this.#listener?.close();
    this.#http.close();
  }

  get #measures(): Measures {
    const { refused } = this.#options.connections;
    const connectionsRefused = { public: refused.of('public') };
    return { values: { refused: this.#app.refused.record, connectionsRefused }, times: {} };
  }

  #publicApp(): PublicApp {
    const { config, connections, logger, streams, guests } = this.#options;
    return new PublicApp({
      streams,
      guests,
      hub: this.hub,
      verify: this.#verification.verify,
      limits: limitsOf(config),
      replacesOldest: config['over-limit'] === 'replace',
      addressPrefix6: config['address-prefix6'],
      cors: this.#cors,
      peers: config.peers,
      allowsQueryToken: config['query-token'] || config.dev,
      isTight: connections.isTight,
      logger,
    });
  }
}

/** As they are configured. */
export const limitsOf = (config: Config): AdmissionLimits => ({
  streams: config['max-streams'],
  streamsPerUser: config['max-streams-per-user'],
  streamsPerAddress: config['max-streams-per-address'],
});
