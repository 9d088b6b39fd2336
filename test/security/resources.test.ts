/** Clients that take time, memory or connections without end get a bounded share of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openNews, post } from '../support/emitting.ts';
import { append, newHub } from '../support/hub.ts';
import { megabytes, residentBytes, watchMost } from '../support/process-facts.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { startServer, statsOf, THREADS } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const MB = 1_048_576;
/** Each with garbage of its own: the main thread's, and one for each that serves streams. */
const HEAPS = THREADS === '1' ? 1 : 1 + Number(THREADS);
const POST_HEAD = 'POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

const rssOf = async (pid: number | undefined): Promise<number> => {
  const { readFile } = await import('node:fs/promises');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};

test('X-11 big bodies - refused before they fill memory, whatever they declare', async (t) => {
  const server = await spawnServer(t);
  await post(`${server.controlUrl}/emit/`, { userId: 'a', channel: 'c', data: 'x' });
  const before = await rssOf(server.process.pid);
  const declared = await connectRaw(t, server.controlUrl);
  declared.send(`${POST_HEAD}Content-Length: 10000000000\r\n\r\n`);
  await declared.until(/^HTTP\/1\.1 413 /);
  const block = 'x'.repeat(65_536);
  const endless = await Promise.all(
    Array.from({ length: 20 }, () => connectRaw(t, server.controlUrl)),
  );
  for (const client of endless) {
    client.send(`${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < 40; i += 1) client.send(`10000\r\n${block}\r\n`);
  }
  for (const client of endless)
    await eventually(() => client.closed || /^HTTP\/1\.1 413 /.test(client.text), {
      withinMs: 20_000,
    });
  const flood = await connectRaw(t, server.controlUrl);
  flood.send(`${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(5_000_000)}`);
  await eventually(() => flood.closed, {
    withinMs: 30_000,
    what: 'the end of the chunk extension',
  });
  const grown = (await rssOf(server.process.pid)) - before;
  assert.ok(grown < 60 * MB, `grew by ${Math.round(grown / MB)} MB`);
  assert.equal((await fetch(`${server.controlUrl}/healthz`)).status, 200);
});

test('X-14 slow readers - those that never read are closed as stalled, and cost the others nothing', async (t) => {
  const running = await startServer(t, ['-stall', '2', '-memory', '16', '-log-level', 'info']);
  const stuck = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = await connectRaw(t, running.publicUrl);
      client.send(streamRequest(tokenFor('slow')));
      await client.until(/retry/);
      client.socket.pause();
      return client;
    }),
  );
  const reader = await openNews(t, running, 'fast');
  const data = 'x'.repeat(500_000);
  let sentCount = 0;
  const before = process.memoryUsage().external;
  // 30 MB: more than the kernel takes for a connection, and more than -memory keeps.
  for (; sentCount < 60; sentCount += 1) {
    await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data });
    await reader.arrived(sentCount + 1, { withinMs: 10_000 });
  }
  assert.ok((await statsOf(running.server)).retainedBytes <= 17 * MB);
  await eventually(async () => (await statsOf(running.server)).streams === 1, { withinMs: 15_000 });
  const stalled = running.log.filter((line) => line['reason'] === 'stalled');
  assert.equal(stalled.length, stuck.length);
  assert.deepEqual(
    reader.events.filter((event) => event.event === 'tidings.gap'),
    [],
  );
  assert.ok(process.memoryUsage().external - before < 200 * MB);
});

// Of a process of its own, whose heap holds nothing else.
test('X-16 channels - the budget bounds what a million channels without streams cost', async () => {
  const budgetBytes = 16 * MB;
  const hub = newHub({ retention: { capacity: 10, ttlSeconds: 300, budgetBytes } });
  const rss = process.memoryUsage().rss;
  for (let n = 1; n <= 1_000_000; n += 1) {
    append(hub, {
      n,
      channels: [`channel ${n}`],
      to: undefined,
      bytes: Buffer.allocUnsafeSlow(20),
    });
    if (n % 10_000 === 0) await turn();
  }
  assert.ok(hub.retainedBytes <= budgetBytes);
  assert.ok(hub.channels.size < 20_000, `${hub.channels.size} channels`);
  const grown = process.memoryUsage().rss - rss;
  // What the collector has not come round to yet is in it: 360 MB were seen with Node 24.
  assert.ok(grown < 600 * MB, `grew by ${Math.round(grown / MB)} MB`);
});

for (const { what, body } of [
  {
    what: 'to 10,000 users each',
    body: (i: number) => ({
      userId: Array.from({ length: 10_000 }, (_, j) => `user-${i}-${j}-${'y'.repeat(60)}`),
      channel: 'c',
      payload: 'x',
    }),
  },
  {
    what: 'with a large field that nobody reads',
    body: (i: number) =>
      new URLSearchParams({
        userId: `somebody-${i}-of-many`,
        channel: `channel-${i}-of-many`,
        payload: 'x',
        junk: 'x'.repeat(900_000),
      }),
  },
])
  test(`X-16 emits - the budget counts all that is kept of emits ${what}`, async (t) => {
    const server = await spawnServer(t, ['-memory', '16']);
    for (let i = 0; i < 20; i += 1) await post(`${server.controlUrl}/emit/`, body(i));
    const before = await rssOf(server.process.pid);
    for (let i = 20; i < 400; i += 1) {
      const reply = await post(`${server.controlUrl}/emit/`, body(i));
      assert.equal(reply.status, 200);
    }
    const grown = (await rssOf(server.process.pid)) - before;
    assert.ok(grown < 200 * MB * HEAPS, `grew by ${Math.round(grown / MB)} MB`);
  });

test('X-17 flood - emits as fast as they go, to one and to all: each accepted one arrives, in order', async (t) => {
  const running = await startServer(t, ['-log-level', 'warn', '-history', '100000']);
  const streams = [];
  for (let i = 0; i < 200; i += 1) streams.push(await openNews(t, running, `u${i}`));
  const ids: string[] = [];
  const emitter = async () => {
    for (let i = 0; i < 60; i += 1) {
      const body = { userId: '*', channel: 'news', data: 'x' };
      const { status, text } = await post(`${running.controlUrl}/emit/`, body);
      assert.equal(status, 200);
      ids.push((JSON.parse(text) as { id: string }).id);
    }
  };
  await Promise.all(Array.from({ length: 16 }, emitter));
  const byNumber = (a: string, b: string) => Number(a.split('-')[1]) - Number(b.split('-')[1]);
  ids.sort(byNumber);
  for (const stream of streams) {
    const events = await stream.arrived(ids.length, { withinMs: 30_000 });
    assert.deepEqual(
      events.map((event) => event.id),
      ids,
    );
  }
});

test('X-10 slow requests - a body in chunks of a byte costs memory for its bytes, not for its chunks', async (t) => {
  const server = await spawnServer(t);
  const pid = server.process.pid!;
  const text = `{"userId":"*","channel":"news","data":"${'x'.repeat(900_000)}"}`;
  const post = async (chunk: (text: string) => string) => {
    const client = await connectRaw(t, server.controlUrl);
    client.send(`${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk(text)}0\r\n\r\n`);
    const watch = watchMost(() => residentBytes(pid));
    assert.match(await client.until(/"streams":|error/, { withinMs: 60_000 }), / 200 OK/);
    return watch.stop();
  };
  const whole = await post((body) => `${body.length.toString(16)}\r\n${body}\r\n`);
  const inBytes = await post((body) => body.replaceAll(/./g, '1\r\n$&\r\n'));
  t.diagnostic(`${megabytes(whole)} for one chunk, ${megabytes(inBytes)} for many`);
  assert.ok(inBytes - whole < 60 * MB, megabytes(inBytes - whole));
});
