/** What the adapters of real client libraries have in common: one record of what the application got. */
import { isPositionNotice } from './opening.ts';
import { type Deadline, eventually } from './wait.ts';

/** One call of the application's callback. */
export interface Received {
  readonly id: string;
  readonly event: string;
  readonly data: string;
  /** `performance.now()` inside the callback. */
  readonly atMs: number;
}

/** One HTTP request that the library sent. */
export interface RequestRecord {
  readonly lastEventId: string | null;
  /** 0 until a response head has arrived, and for good when none came. */
  status: number;
}

export interface LibraryClient {
  /** Without `tidings.open` and `tidings.position`. */
  readonly received: readonly Received[];
  /** Those two, as far as the library hands them out. */
  readonly notices: readonly Received[];
  readonly requests: readonly RequestRecord[];
  close(): void;
}

export interface ConnectOptions {
  readonly url: string;
  readonly token: string;
}

type FetchInit = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> };

/** One event as most libraries hand it out. */
interface Message {
  readonly id?: string | null | undefined;
  readonly event?: string | undefined;
  readonly data: string;
}

/** What an adapter writes down of its library, and where: the callback and the `fetch` to give it. */
export class ClientRecord {
  readonly received: Received[] = [];
  readonly notices: Received[] = [];
  readonly requests: RequestRecord[] = [];
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  readonly take = ({ id, event, data }: Message): void => {
    const to = isPositionNotice(event) ? this.notices : this.received;
    to.push({ id: id ?? '', event: event || 'message', data, atMs: performance.now() });
  };

  /** Adds the token, as the libraries' documentation advises, and notes each request. */
  readonly fetch = async (url: string | URL, init: FetchInit = {}): Promise<Response> => {
    const headers = new Headers({ ...init.headers, authorization: `Bearer ${this.#token}` });
    const request: RequestRecord = { lastEventId: headers.get('last-event-id'), status: 0 };
    this.requests.push(request);
    const response = await fetch(url, { ...init, headers });
    request.status = response.status;
    return response;
  };
}

const answered = (client: LibraryClient): number =>
  client.requests.filter(({ status }) => status !== 0).length;

/** Waits for the head of the `count`th response: from then on the server has the stream. */
export const connected = (client: LibraryClient, count = 1, deadline: Deadline = {}) =>
  eventually(() => answered(client) >= count, { what: `${count} response heads`, ...deadline });

/** Waits until the callback has been called `count` times in all. */
export const callbacks = (client: LibraryClient, count: number, deadline: Deadline = {}) =>
  eventually(() => client.received.length >= count, { what: `callback ${count}`, ...deadline });
