/** `@microsoft/fetch-event-source`, with the few browser globals that it reads. */
import { type FetchEventSourceInit, fetchEventSource } from '@microsoft/fetch-event-source';
import { ClientRecord, type ConnectOptions, type LibraryClient } from './client-library.ts';
import type { Owner } from './sse-client.ts';

/** It stops while the page is hidden, and sets its retry timer on `window`. */
export const page = Object.assign(new EventTarget(), { hidden: false });
Object.assign(globalThis, { document: page, window: { setTimeout, clearTimeout, fetch } });

export interface FetchEventSourceHandle extends LibraryClient {
  /** Settles when the library gives up; never while it reconnects. */
  readonly done: Promise<'resolved' | Error>;
}

type Callbacks = Pick<FetchEventSourceInit, 'onopen' | 'onclose' | 'onerror'>;

/** Its documented way to come back after a clean end, which it otherwise takes for the last word. */
export const RECONNECT_ON_CLOSE: Callbacks = {
  onclose: () => {
    throw new Error('the stream ended');
  },
};

export function connectFetchEventSource(
  t: Owner,
  { url, token }: ConnectOptions,
  callbacks: Callbacks = {},
): FetchEventSourceHandle {
  const record = new ClientRecord(token);
  const abort = new AbortController();
  const done = fetchEventSource(url, {
    signal: abort.signal,
    fetch: record.fetch as typeof fetch,
    onmessage: record.take,
    ...callbacks,
  }).then(
    () => 'resolved' as const,
    (error: Error) => error,
  );
  t.after(() => abort.abort());
  return { ...record, done, close: () => abort.abort() };
}
