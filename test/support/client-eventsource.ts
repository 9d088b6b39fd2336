/** The npm package `eventsource`: the browser's API on Node, with the token added by a custom fetch. */
import { EventSource, type FetchLike } from 'eventsource';
import {
  type ConnectOptions,
  type LibraryClient,
  type Received,
  type RequestRecord,
  recordingFetch,
} from './client-library.ts';
import type { Owner } from './sse-client.ts';

export interface EventSourceHandle extends LibraryClient {
  readonly source: EventSource;
  /** The status of every `error` event; undefined for a lost connection. */
  readonly errors: readonly (number | undefined)[];
}

const NAMES = ['message', 'tidings.gap'];

export function connectEventSource(t: Owner, options: ConnectOptions): EventSourceHandle {
  const received: Received[] = [];
  const requests: RequestRecord[] = [];
  const errors: (number | undefined)[] = [];
  const fetch = recordingFetch(requests, options.token) as FetchLike;
  const source = new EventSource(options.url, { fetch });
  for (const name of NAMES) {
    source.addEventListener(name, ({ lastEventId: id, type: event, data }: MessageEvent) =>
      received.push({ id, event, data: String(data), atMs: performance.now() }),
    );
  }
  source.addEventListener('error', ({ code }) => errors.push(code));
  t.after(() => source.close());
  return { received, requests, errors, source, close: () => source.close() };
}
