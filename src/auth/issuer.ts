/** The keys of an issuer: asked for again and again, and in between when a token names one that is not known. */
import type { Logger } from '../logger.ts';
import { type IssuerKey, type KeySet, parseKeySet } from './jwks.ts';
import { REQUEST_MS, requestKeys } from './key-request.ts';

/**
 * A key that the issuer no longer publishes opens no stream after so long, in milliseconds, while the
 * issuer can be reached.
 */
export const WITHDRAWN_WITHIN_MS = 300_000;

/** From one answer to the next request, in milliseconds. */
const REFRESH_MS = WITHDRAWN_WITHIN_MS - 2 * REQUEST_MS;

/** From a request that failed to the next, in milliseconds. */
const RETRY_MS = 10_000;

/** Tokens cause no more than one request in so long, in milliseconds, and one behind a request that they found under way. */
export const PAUSE_MS = 5_000;

/** Keys of an issuer that cannot be reached are used for so long, in milliseconds. */
const KEEP_MS = 86_400_000;

/** Names of keys that are remembered as not published. */
export const MAX_ABSENT = 1_000;

/** `unsure`: the issuer has not been asked, or has not answered, since it was to be known. */
export type Known = 'known' | 'absent' | 'unsure';

export type LookUp = (kid: string | undefined) => Promise<Known>;

export interface IssuerOptions {
  readonly url: string;
  readonly logger: Logger;
  /** Has to make use of them before it returns. */
  readonly changed: (keys: readonly IssuerKey[]) => void;
  readonly refreshMs?: number;
  readonly retryMs?: number;
  readonly pauseMs?: number;
  readonly keepMs?: number;
}

export class Issuer {
  /** Those to verify with. */
  keys: readonly IssuerKey[] = [];
  readonly #options: IssuerOptions;
  #aborter = new AbortController();
  #isClosed = false;
  /** Names that the newest set does not have. */
  readonly #absent = new Set<string | undefined>();
  #request: Promise<boolean> | undefined;
  /** Nothing has happened since it was begun: it cannot have left yet. */
  #isBeginning = false;
  /** It is the further look behind another one, which has none behind itself. */
  #isFurther = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #heardAt = performance.now();
  #isSilent = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  get hasKeys(): boolean {
    return this.keys.length > 0;
  }

  /** Asks for the first time. */
  start(): void {
    void this.#ask();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#aborter.abort();
  }

  /** Whether there is such a key; of no name: any key. Asks the issuer first when that may change the answer. */
  async lookUp(kid: string | undefined): Promise<Known> {
    if (this.#has(kid)) return 'known';
    if (this.#request !== undefined && !this.#isBeginning) return this.#join(this.#request, kid);
    const isPause = performance.now() - this.#askedAt < (this.#options.pauseMs ?? PAUSE_MS);
    if (this.#request === undefined && (isPause || this.#isClosed)) return this.#asBefore(kid);
    return this.#judge(kid, await (this.#request ?? this.#ask()));
  }

  // It may have been answered before this key was published: then the answer behind it counts, which is
  // that to one request for all who have come meanwhile.
  async #join(request: Promise<boolean>, kid: string | undefined): Promise<Known> {
    const isFurther = this.#isFurther;
    const isHeard = await request;
    if (this.#has(kid)) return 'known';
    if (!isHeard || this.#isClosed) return 'unsure';
    if (isFurther) return this.#asBefore(kid);
    return this.#judge(kid, await (this.#request ?? this.#ask(true)));
  }

  // Without asking. What has come up since the last answer may be anything.
  #asBefore(kid: string | undefined): Known {
    return this.#absent.has(kid) ? 'absent' : 'unsure';
  }

  #judge(kid: string | undefined, isHeard: boolean): Known {
    if (this.#has(kid)) return 'known';
    // A set without any key means an accident, or the moment before a new one.
    if (!isHeard || this.keys.length === 0) return 'unsure';
    if (this.#absent.size < MAX_ABSENT) this.#absent.add(kid);
    return 'absent';
  }

  #has(kid: string | undefined): boolean {
    return this.keys.some((key) => kid === undefined || key.kid === kid);
  }

  /** True when there is an answer. */
  #ask(isFurther = false): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#askedAt = performance.now();
    this.#isFurther = isFurther;
    this.#isBeginning = true;
    queueMicrotask(() => {
      this.#isBeginning = false;
    });
    this.#request = this.#hear().then((isHeard) => {
      this.#request = undefined;
      const { refreshMs = REFRESH_MS, retryMs = RETRY_MS } = this.#options;
      if (!this.#isClosed)
        this.#timer = setTimeout(() => void this.#ask(), isHeard ? refreshMs : retryMs).unref();
      return isHeard;
    });
    return this.#request;
  }

  async #hear(): Promise<boolean> {
    this.#aborter = new AbortController();
    const requested = await requestKeys(this.#options.url, this.#aborter);
    if (this.#isClosed) return false;
    const heard = 'text' in requested ? parseKeySet(requested.text) : requested.fault;
    if (typeof heard === 'string') this.#missed(heard);
    else this.#take(heard);
    return typeof heard !== 'string';
  }

  #take({ keys, leftOut }: KeySet): void {
    const { logger, url } = this.#options;
    if (this.#isSilent) logger.info({ url }, 'the issuer gives its keys again');
    this.#isSilent = false;
    this.#heardAt = performance.now();
    this.#absent.clear();
    if (JSON.stringify(keys) === JSON.stringify(this.keys)) return;
    this.#use(keys);
    const kids = keys.map(({ kid }) => kid ?? '');
    logger.info({ url, kids, leftOut }, 'the issuer has these keys');
  }

  // Told once: it may take days.
  #missed(fault: string): void {
    const { logger, url, keepMs = KEEP_MS } = this.#options;
    const isLong = performance.now() - this.#heardAt > keepMs;
    if (isLong && this.keys.length > 0) {
      this.#use([]);
      logger.error({ url, fault }, 'the keys of the issuer are too old to go on with');
    }
    const level = this.#isSilent ? 'debug' : 'warn';
    this.#isSilent = true;
    logger[level](
      { url, fault, keys: this.keys.length },
      'the issuer does not give its keys: those at hand stay in use, and it is asked again',
    );
  }

  #use(keys: readonly IssuerKey[]): void {
    this.keys = keys;
    this.#options.changed(keys);
  }
}
