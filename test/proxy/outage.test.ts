/** While the server is away a browser is told nothing that ends its EventSource, and it comes back by itself. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { EventSource } from 'eventsource';
import { emit, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { type Behind, PROXIES, portOf, startBehind } from './proxies.ts';

// fetch has no other switch for the self-signed certificate.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';

const headers = bearer(tokenFor('ann'));

/** A server where the last one was. */
const startAgain = (t: Parameters<typeof startBehind>[0], { server }: Behind) =>
  spawnServer(t, ['-bind', `127.0.0.1:${portOf(server)}`]);

/** The status that `accept` gets, and the body. */
async function answer(t: Parameters<typeof startBehind>[0], url: string, accept: string) {
  const stream = await openStream(t, url, { headers: { ...headers, accept } });
  await stream.end({ withinMs: 10_000 });
  return stream;
}

for (const kind of PROXIES) {
  const { name, skip } = kind;

  if (kind.masks) {
    test(`${name} - the server being away is an empty stream for browsers`, { skip }, async (t) => {
      const behind = await startBehind(t, kind);
      await behind.server.stop('SIGKILL');

      const browser = await answer(t, behind.url, 'text/event-stream');
      const script = await answer(t, behind.url, '*/*');

      assert.equal(browser.status, 200);
      assert.equal(browser.headers['content-type'], 'text/event-stream');
      assert.equal(browser.headers['cache-control'], 'no-store');
      assert.match(browser.text, /^retry: [2-5]\d{3}\n\n$/);
      assert.match(String(script.status), /^50[234]$/);
    });

    test(`${name} - an EventSource survives a restart of the server`, { skip }, async (t) => {
      const behind = await startBehind(t, kind);
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
    });
  } else {
    test(`${name} - the server being away is a 503`, { skip }, async (t) => {
      const behind = await startBehind(t, kind);
      await behind.server.stop('SIGKILL');
      assert.equal((await answer(t, behind.url, 'text/event-stream')).status, 503);
    });
  }

  test(`${name} - streams end with the server, and open once it is back`, { skip }, async (t) => {
    const behind = await startBehind(t, kind);
    const before = await openStream(t, behind.url, { headers });
    await behind.server.stop('SIGKILL');
    await before.end({ withinMs: 5_000 });

    const { controlUrl } = await startAgain(t, behind);
    const after = await openStream(t, behind.url, { headers });
    await emit(controlUrl, { userId: '*', channel: 'news', payload: 'data: back' });
    assert.equal((await after.next()).data, 'back');
  });
}
