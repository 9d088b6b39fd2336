/** While the server is away a browser is told nothing that ends its EventSource, and it comes back by itself. */
import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import { freePort } from '../support/free-ports.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import {
  type Behind,
  behindEach,
  DOCUMENTED_APACHE,
  PROXIES,
  type ProxyKind,
  portOf,
  startBehind,
} from './proxies.ts';

// fetch has no other switch for the self-signed certificate.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';

const headers = bearer(tokenFor('ann'));

// A port named at the start: one that the kernel chose cannot be taken again for a minute.
const startFirst = async (t: Owner, kind: ProxyKind): Promise<Behind> =>
  startBehind(t, kind, { args: ['-bind', `127.0.0.1:${await freePort()}`] });

const MASKING = { kinds: [...PROXIES.filter((kind) => kind.masks), DOCUMENTED_APACHE] };

/** A server where the last one was. */
const startAgain = (t: Owner, { server }: Behind): Promise<SpawnedServer> =>
  spawnServer(t, ['-bind', `127.0.0.1:${portOf(server)}`]);

/** The whole answer to a client that accepts `accept`. */
async function answer(t: Owner, url: string, accept: string): Promise<SseClient> {
  const stream = await openStream(t, url, { headers: { ...headers, accept } });
  await stream.end({ withinMs: 10_000 });
  return stream;
}

behindEach(
  'the server being away is an empty stream for browsers',
  async (t, kind) => {
    const behind = await startFirst(t, kind);
    await behind.server.stop('SIGKILL');

    const browser = await answer(t, behind.url, 'text/event-stream');
    const script = await answer(t, behind.url, '*/*');

    assert.equal(browser.status, 200);
    assert.equal(browser.headers['content-type'], 'text/event-stream');
    assert.equal(browser.headers['cache-control'], 'no-store');
    assert.match(browser.text, /^retry: [2-5]\d{3}\n\n$/);
    assert.match(String(script.status), /^50[234]$/);
  },
  MASKING,
);

behindEach(
  'an EventSource survives a restart of the server',
  async (t, kind) => {
    const behind = await startFirst(t, kind);
    const source = new EventSource(behind.url, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }),
    });
    t.after(() => source.close());
    const received: string[] = [];
    let refusedCount = 0;
    source.onmessage = (event) => received.push(event.data);
    source.onerror = () => (refusedCount += 1);
    await eventually(() => source.readyState === EventSource.OPEN);

    await behind.server.stop('SIGKILL');
    // The end of the stream is the first, the end of the empty answer the second.
    await eventually(() => refusedCount >= 2, { withinMs: 20_000, what: 'a try while away' });
    const { controlUrl } = await startAgain(t, behind);
    const emitAndLook = async () => {
      await emit(controlUrl, { userId: '*', channel: 'news', payload: 'data: back' });
      return received.includes('back');
    };
    await eventually(emitAndLook, { withinMs: 30_000, what: 'an event after the restart' });
  },
  MASKING,
);

behindEach(
  'the server being away is a 503',
  async (t, kind) => {
    const behind = await startFirst(t, kind);
    await behind.server.stop('SIGKILL');
    assert.equal((await answer(t, behind.url, 'text/event-stream')).status, 503);
  },
  { kinds: PROXIES.filter((kind) => !kind.masks) },
);

behindEach('streams end with the server, and open once it is back', async (t, kind) => {
  const behind = await startFirst(t, kind);
  const before = await openStream(t, behind.url, { headers });
  await behind.server.stop('SIGKILL');
  await before.end({ withinMs: 5_000 });

  const { controlUrl } = await startAgain(t, behind);
  const after = await openStream(t, behind.url, { headers });
  await emit(controlUrl, { userId: '*', channel: 'news', payload: 'data: back' });
  assert.equal((await after.next()).data, 'back');
});
