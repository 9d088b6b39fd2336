/** The npm package `eventsource`, the browser's API on Node, in the versions that are in use. */
import { createRequire } from 'node:module';
import { EventSource, type FetchLike } from 'eventsource';
import { EventSource as EventSource3, type FetchLike as FetchLike3 } from 'eventsource-3';
import { ClientRecord, type ConnectOptions, type LibraryClient } from './client-library.ts';
import type { Owner } from './sse-client.ts';

export interface EventSourceHandle extends LibraryClient {
  readonly source: EventSource;
  /** The status of every `error` event; undefined for a lost connection. */
  readonly errors: readonly (number | undefined)[];
}

interface Message {
  readonly type: string;
  readonly data: unknown;
  readonly lastEventId: string;
}

/** What all versions have in common. */
interface AnyEventSource {
  addEventListener(name: string, listener: (event: Message) => void): void;
  close(): void;
}

type OldConstructor = new (
  url: string,
  options: { headers: Record<string, string> },
) => AnyEventSource;

// Version 2 has no types of its own.
const EventSource2: OldConstructor = createRequire(import.meta.url)('eventsource-2');

const NAMES = ['message', 'tidings.gap', 'tidings.open'];

function follow<T extends AnyEventSource>(t: Owner, source: T, record: ClientRecord) {
  for (const name of NAMES) {
    source.addEventListener(name, ({ lastEventId: id, type: event, data }) =>
      record.take({ id, event, data: String(data) }),
    );
  }
  t.after(() => source.close());
  return { ...record, source, close: () => source.close() };
}

/** Version 4; the token is added by a custom fetch. */
export function connectEventSource(t: Owner, { url, token }: ConnectOptions): EventSourceHandle {
  const record = new ClientRecord(token);
  const errors: (number | undefined)[] = [];
  const source = new EventSource(url, { fetch: record.fetch as FetchLike });
  source.addEventListener('error', ({ code }) => errors.push(code));
  return { ...follow(t, source, record), errors };
}

export function connectEventSource3(t: Owner, { url, token }: ConnectOptions): LibraryClient {
  const record = new ClientRecord(token);
  return follow(t, new EventSource3(url, { fetch: record.fetch as FetchLike3 }), record);
}

/** Version 2 takes headers and no fetch: of its requests only those that were answered are known. */
export function connectEventSource2(t: Owner, { url, token }: ConnectOptions): LibraryClient {
  const record = new ClientRecord(token);
  const source = new EventSource2(url, { headers: { Authorization: `Bearer ${token}` } });
  source.addEventListener('open', () => record.requests.push({ lastEventId: null, status: 200 }));
  return follow(t, source, record);
}
