/** Heads and bodies that drip in, or never come: their connections are closed, and nobody else waits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNews, post } from '../support/emitting.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { startServer, statsOf } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

const CLOSE_WITHIN_MS = 20_000;
const POST_HEAD = 'POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

/** Sends a byte now and then to each of the clients until all are closed. */
async function dripUntilClosed(clients: readonly RawClient[]): Promise<void> {
  const drip = setInterval(() => {
    for (const client of clients) if (!client.closed) client.send('a');
  }, 2_000);
  try {
    await eventually(() => clients.every((client) => client.closed), {
      withinMs: CLOSE_WITHIN_MS,
      what: 'all slow connections to be closed',
    });
  } finally {
    clearInterval(drip);
  }
}

test('X-09, X-10 slow requests - heads and bodies that drip in are closed; others are served meanwhile', async (t) => {
  const running = await startServer(t);
  const open = async (url: string, start: string, count: number) => {
    const clients = await Promise.all(Array.from({ length: count }, () => connectRaw(t, url)));
    for (const client of clients) client.send(start);
    return clients;
  };
  const slow = [
    ...(await open(running.publicUrl, 'GET /events/ HTTP/1.1\r\nHost: x\r\nX-A: ', 1_000)),
    ...(await open(running.controlUrl, 'POST /emit/ HTTP/1.1\r\nHost: x\r\nX-A: ', 100)),
    ...(await open(running.controlUrl, `${POST_HEAD}Content-Length: 1000000\r\n\r\n`, 50)),
    ...(await open(
      running.controlUrl,
      `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\nfffff\r\n`,
      50,
    )),
    ...(await open(
      running.controlUrl,
      `${POST_HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      20,
    )),
    ...(await open(running.publicUrl, '', 100)),
  ];
  const closing = dripUntilClosed(slow.slice(0, -120));
  const idle = eventually(() => slow.slice(-120).every((client) => client.closed), {
    withinMs: CLOSE_WITHIN_MS,
    what: 'all idle connections to be closed',
  });
  for (let i = 0; i < 50; i += 1) {
    const stream = await openNews(t, running, `u${i}`);
    await post(`${running.controlUrl}/emit/`, { userId: `u${i}`, channel: 'news', data: 'x' });
    assert.equal((await stream.next()).data, 'x');
  }
  await Promise.all([closing, idle]);
  assert.equal((await statsOf(running.server)).streams, 50);
});
