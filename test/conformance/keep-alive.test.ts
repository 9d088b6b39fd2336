/** Connections that are kept: a client knows in time when the server will close one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { connectRaw } from '../support/raw-client.ts';
import { startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

/** The addon closes an idle connection within this time. */
const CLOSED_WITHIN_MS = 16_000;

type End = 'client' | 'server';

/** Stands between client and server, and writes down who ends each connection. */
async function watchEnds(t: TestContext, url: string): Promise<{ url: string; ends: End[] }> {
  const ends: End[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(url).port), '127.0.0.1');
    let isOver = false;
    const over = (by: End) => {
      if (!isOver) ends.push(by);
      isOver = true;
      client.destroy();
      upstream.destroy();
    };
    client.on('close', () => over('client')).on('error', () => {});
    upstream.on('close', () => over('server')).on('error', () => {});
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ends };
}

async function getWithNode(t: TestContext, url: string): Promise<void> {
  // Node 20 heeds what the server says only to shorten a limit of its own.
  const agent = new Agent({ keepAlive: true, timeout: 60_000 });
  t.after(() => agent.destroy());
  const req = request(`${url}/healthz`, { agent }).end();
  const [res] = await once(req, 'response');
  await text(res);
}

const getWithFetch = async (_: TestContext, url: string): Promise<void> => {
  await (await fetch(`${url}/healthz`)).text();
};

for (const [name, get] of Object.entries({ 'Node agent': getWithNode, fetch: getWithFetch })) {
  test(`keep-alive - ${name}: an idle connection is ended by the client, before the server would`, async (t) => {
    const { controlUrl } = await startServer(t);
    const { url, ends } = await watchEnds(t, controlUrl);
    await get(t, url);
    await eventually(() => ends.length > 0, { withinMs: CLOSED_WITHIN_MS, what: 'the end' });
    assert.deepEqual(ends, ['client']);
  });
}

test('keep-alive - both listeners say for how long, or that this was the last answer', async (t) => {
  const { controlUrl, publicUrl } = await startServer(t);
  for (const url of [controlUrl, publicUrl])
    for (const [method, path] of [
      ['GET', '/healthz'],
      ['HEAD', '/x'],
      ['OPTIONS', '/events/'],
    ]) {
      const ask = async (lines: string) => {
        const client = await connectRaw(t, url);
        client.send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n`);
        return { client, text: await client.until(/\r\n\r\n/) };
      };
      const kept = await ask('');
      assert.match(kept.text, /^Keep-Alive: timeout=5\r$/m);
      assert.doesNotMatch(kept.text, /^Connection:/im);
      const last = await ask('Connection: Close\r\n');
      assert.match(last.text, /^Connection: close\r$/m);
      assert.doesNotMatch(last.text, /^Keep-Alive:/im);
      await eventually(() => last.client.closed, { what: 'the end' });
    }
});
