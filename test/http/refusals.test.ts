/** Being full must not look like an error to EventSource, which would give up for good. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const open = (t: Owner, { eventsUrl }: RunningServer, user: string, headers = {}) =>
  openStream(t, eventsUrl, { headers: { ...bearer(tokenFor(user)), ...headers } });

for (const { name, args, second } of [
  { name: 'process', args: ['-max-streams', '1'], second: 'bob' },
  { name: 'user', args: ['-max-streams-per-user', '1'], second: 'ann' },
  { name: 'address', args: ['-max-streams-per-address', '1'], second: 'bob' },
]) {
  test(`refusals - one stream too many for the ${name}: 200, a jittered retry, the end`, async (t) => {
    const running = await startServer(t, args);
    const first = await open(t, running, 'ann');
    const refused = await open(t, running, second);
    await refused.end();
    assert.deepEqual([refused.status, refused.headers['content-type']], [200, 'text/event-stream']);
    assert.match(refused.text, /^retry: \d+\n$/);
    assert.ok(refused.retries[0]! >= 5_000 && refused.retries[0]! <= 15_000);

    const probe = await open(t, running, second, { accept: '*/*' });
    await probe.end();
    assert.equal(probe.status, 503);
    assert.match(String(probe.headers['retry-after']), /^\d+$/);
    assert.match(probe.text, /"error":"STREAM_LIMIT"/);

    first.close();
    await eventually(() => running.server.hub.streams.size === 0);
    const next = await open(t, running, second);
    await eventually(() => next.text.endsWith(':\n'));
    assert.equal(running.server.hub.streams.size, 1);
  });
}

test('refusals - the limit per address sees through a trusted proxy, and nobody else', async (t) => {
  const args = ['-max-streams-per-address', '1'];
  const trusting = await startServer(t, [...args, '-trust-proxy', '127.0.0.1']);
  await open(t, trusting, 'ann', { 'x-forwarded-for': '1.1.1.1' });
  await open(t, trusting, 'bob', { 'x-forwarded-for': '9.9.9.9, 2.2.2.2' });
  assert.equal(trusting.server.hub.streams.size, 2);
  const same = await open(t, trusting, 'eve', { 'x-forwarded-for': '2.2.2.2' });
  await same.end();
  assert.equal(trusting.server.hub.streams.size, 2);

  // Node sends an array as several lines: what the client wrote, then what the proxy added.
  const lines = await open(t, trusting, 'joe', { 'x-forwarded-for': ['3.3.3.3', '2.2.2.2'] });
  await lines.end();
  assert.equal(trusting.server.hub.streams.size, 2);

  const wary = await startServer(t, args);
  await open(t, wary, 'ann', { 'x-forwarded-for': '1.1.1.1' });
  const spoofed = await open(t, wary, 'bob', { 'x-forwarded-for': '2.2.2.2' });
  await spoofed.end();
  assert.equal(wary.server.hub.streams.size, 1);
});

test('refusals - retries of streams that are let in are spread', async (t) => {
  const running = await startServer(t);
  const retries = new Set<number>();
  for (let i = 0; i < 20; i += 1) {
    const stream = await open(t, running, `u${i}`);
    await eventually(() => stream.retries.length > 0);
    assert.ok(stream.retries[0]! >= 1_000 && stream.retries[0]! <= 4_000);
    retries.add(stream.retries[0]!);
  }
  assert.ok(retries.size > 5);
});
