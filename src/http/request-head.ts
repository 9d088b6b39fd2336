/** The head of a request, read in one pass, and what makes it one that must not be run. */
import type { HttpRequest } from './uws.ts';

// RFC 9110, 7.2: a name or an address, and a port.
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i;

/** The first value of each header that is read here; empty when absent. Names are their own in camel case. */
export class RequestHead {
  /** Lower case. */
  readonly method: string;
  /** Without `?`, not percent-decoded; empty when there is none. */
  readonly query: string;
  host = '';
  origin = '';
  secFetchSite = '';
  authorization = '';
  accept = '';
  contentType = '';
  contentEncoding = '';
  expect = '';
  /** All lines of it, as one list: two keys are none. */
  idempotencyKey = '';
  traceparent = '';
  /** All lines of it: they are one list (RFC 9110, 5.3), and a proxy may add one of its own. */
  forwardedFor = '';
  isChunked = false;
  /** The client wants no other answer on this connection. */
  isLast = false;
  #contentLength = '';
  #hostCount = 0;
  #lengthCount = 0;
  #codingCount = 0;
  #keyCount = 0;

  constructor(req: HttpRequest) {
    this.method = req.getMethod();
    this.query = req.getQuery() ?? '';
    req.forEach((name, value) => {
      this.#take(name, value);
    });
  }

  /** As announced, in bytes; 0 when it is not. */
  get bodyBytes(): number {
    return Number(this.#contentLength) || 0;
  }

  /**
   * Why it must not be run, undefined when it may. The addon takes the first of two lengths, any
   * coding for chunked and the first of two hosts, where others may see another request, or several.
   */
  fault(takesBody: boolean): string | undefined {
    if (this.#lengthCount + this.#codingCount > 1) return 'send one Content-Length or one coding';
    if (this.#codingCount > 0 && !this.isChunked) return 'Transfer-Encoding may only be chunked';
    if (this.#hostCount !== 1) return 'send one Host';
    if (!HOST.test(this.host)) return 'Host must be a name or an address';
    const hasBody = this.#codingCount > 0 || (this.#lengthCount > 0 && this.#contentLength !== '0');
    return hasBody && !takesBody ? 'no body is taken here' : undefined;
  }

  // Hot path: for every header of every emit.
  #take(name: string, value: string): void {
    switch (name) {
      case 'host':
        this.#hostCount += 1;
        this.host ||= value;
        break;
      case 'content-length':
        this.#lengthCount += 1;
        this.#contentLength ||= value;
        break;
      case 'transfer-encoding':
        this.#codingCount += 1;
        this.isChunked = value.toLowerCase() === 'chunked';
        break;
      case 'content-type':
        this.contentType ||= value;
        break;
      case 'content-encoding':
        this.contentEncoding ||= value;
        break;
      case 'authorization':
        this.authorization ||= value;
        break;
      case 'origin':
        this.origin ||= value;
        break;
      case 'sec-fetch-site':
        this.secFetchSite ||= value;
        break;
      case 'accept':
        this.accept ||= value;
        break;
      case 'connection':
        this.isLast ||= value.toLowerCase() === 'close';
        break;
      default:
        this.#takeRare(name, value);
    }
  }

  #takeRare(name: string, value: string): void {
    switch (name) {
      case 'idempotency-key':
        this.idempotencyKey += this.#keyCount === 0 ? value : `, ${value}`;
        this.#keyCount += 1;
        break;
      case 'expect':
        this.expect ||= value;
        break;
      case 'traceparent':
        this.traceparent ||= value;
        break;
      case 'x-forwarded-for':
        this.forwardedFor += this.forwardedFor === '' ? value : `,${value}`;
        break;
    }
  }
}
