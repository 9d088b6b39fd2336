/** Which pages of other origins may open streams (Fetch, "CORS protocol"). */
import type { Headers } from './answer.ts';
import { matchesPattern, type OriginPattern, originPattern } from './origin.ts';

/** How long a browser may keep the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = '7200';

/** What our own clients send. */
const ALLOWED_HEADERS = ['authorization', 'last-event-id', 'cache-control'];

export class Cors {
  readonly #origins: Set<string>;
  readonly #patterns: readonly OriginPattern[];
  readonly #allowedHeaders: string;

  /**
   * Exact origins and patterns (`https://*.example.com`), or `*` alone. Empty: none, and no CORS
   * header is ever sent. `headers`: names of request headers allowed besides those of our clients.
   */
  constructor(origins: readonly string[], headers: readonly string[] = []) {
    this.#origins = new Set(origins);
    this.#patterns = origins.map(originPattern).filter((pattern) => pattern !== undefined);
    const names = headers.map((name) => name.toLowerCase());
    this.#allowedHeaders = [...new Set([...ALLOWED_HEADERS, ...names])].join(', ');
  }

  allow(origin: string): void {
    this.#origins.add(origin);
  }

  /** For every answer, errors too: whether it may be read depends on the origin. */
  headers(origin: string): Headers {
    if (this.#origins.size === 0) return [];
    if (this.#isListed(origin)) {
      return [
        ['Access-Control-Allow-Origin', origin],
        ['Access-Control-Allow-Credentials', 'true'],
        ['Vary', 'Origin'],
      ];
    }
    if (this.#origins.has('*') && origin !== '') {
      return [
        ['Access-Control-Allow-Origin', '*'],
        ['Vary', 'Origin'],
      ];
    }
    return [['Vary', 'Origin']];
  }

  #isListed(origin: string): boolean {
    // What is listed with a * is not an origin, and no browser sends it.
    if (origin.includes('*')) return false;
    if (this.#origins.has(origin)) return true;
    return this.#patterns.some((pattern) => matchesPattern(origin, pattern));
  }

  /** What a preflight is told, besides `headers`. Names are listed: `*` would not cover Authorization. */
  preflightHeaders(origin: string): Headers {
    if (this.headers(origin).length < 2) return [];
    return [
      ['Access-Control-Allow-Methods', 'GET, HEAD'],
      ['Access-Control-Allow-Headers', this.#allowedHeaders],
      ['Access-Control-Max-Age', PREFLIGHT_SECONDS],
    ];
  }
}
