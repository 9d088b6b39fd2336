/** The npm package `eventsource-client`. */
import { createEventSource, type EventSourceClient } from 'eventsource-client';
import {
  type ConnectOptions,
  type LibraryClient,
  type Received,
  type RequestRecord,
  recordingFetch,
} from './client-library.ts';
import type { Owner } from './sse-client.ts';

export interface EventSourceClientHandle extends LibraryClient {
  readonly client: EventSourceClient;
}

export function connectEventSourceClient(
  t: Owner,
  { url, token }: ConnectOptions,
): EventSourceClientHandle {
  const received: Received[] = [];
  const requests: RequestRecord[] = [];
  const client = createEventSource({
    url,
    fetch: recordingFetch(requests, token) as typeof fetch,
    onMessage: ({ id = '', event = 'message', data }) =>
      received.push({ id, event, data, atMs: performance.now() }),
  });
  t.after(() => client.close());
  return { received, requests, client, close: () => client.close() };
}
