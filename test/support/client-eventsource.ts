/** The npm package `eventsource`: the browser's API on Node, with the token added by a custom fetch. */
import { EventSource, type FetchLike } from 'eventsource';
import { ClientRecord, type ConnectOptions, type LibraryClient } from './client-library.ts';
import type { Owner } from './sse-client.ts';

export interface EventSourceHandle extends LibraryClient {
  readonly source: EventSource;
  /** The status of every `error` event; undefined for a lost connection. */
  readonly errors: readonly (number | undefined)[];
}

const NAMES = ['message', 'tidings.gap', 'tidings.open'];

export function connectEventSource(t: Owner, { url, token }: ConnectOptions): EventSourceHandle {
  const record = new ClientRecord(token);
  const errors: (number | undefined)[] = [];
  const source = new EventSource(url, { fetch: record.fetch as FetchLike });
  for (const name of NAMES) {
    source.addEventListener(name, ({ lastEventId: id, type: event, data }: MessageEvent) =>
      record.take({ id, event, data: String(data) }),
    );
  }
  source.addEventListener('error', ({ code }) => errors.push(code));
  t.after(() => source.close());
  return { ...record, errors, source, close: () => source.close() };
}
