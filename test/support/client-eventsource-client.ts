/** The npm package `eventsource-client`. */
import { createEventSource, type EventSourceClient } from 'eventsource-client';
import { ClientRecord, type ConnectOptions, type LibraryClient } from './client-library.ts';
import type { Owner } from './sse-client.ts';

export interface EventSourceClientHandle extends LibraryClient {
  readonly client: EventSourceClient;
}

export function connectEventSourceClient(
  t: Owner,
  { url, token }: ConnectOptions,
): EventSourceClientHandle {
  const record = new ClientRecord(token);
  const client = createEventSource({
    url,
    fetch: record.fetch as typeof fetch,
    onMessage: record.take,
  });
  t.after(() => client.close());
  return { ...record, client, close: () => client.close() };
}
