/** Which pages of other origins may open streams (Fetch, "CORS protocol"). */
import type { Headers } from './http.ts';

/** How long a browser may keep the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = '7200';

export class Cors {
  readonly #origins: Set<string>;

  /** Exact origins, or `*` alone. Empty: none, and no CORS header is ever sent. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  allow(origin: string): void {
    this.#origins.add(origin);
  }

  /** For every answer, errors too: whether it may be read depends on the origin. */
  headers(origin: string): Headers {
    if (this.#origins.size === 0) return [];
    if (this.#origins.has(origin)) {
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

  /** What a preflight is told, besides `headers`. Names are listed: `*` would not cover Authorization. */
  preflightHeaders(origin: string): Headers {
    if (this.headers(origin).length < 2) return [];
    return [
      ['Access-Control-Allow-Methods', 'GET, HEAD'],
      ['Access-Control-Allow-Headers', 'authorization, last-event-id, cache-control'],
      ['Access-Control-Max-Age', PREFLIGHT_SECONDS],
    ];
  }
}
