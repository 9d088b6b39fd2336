/** Being full must not look like an error to EventSource, which would give up for good. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitRaw } from '../support/emitting.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
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
    await eventually(async () => (await statsOf(running.server)).streams === 0);
    const next = await open(t, running, second);
    await eventually(async () => next.text.endsWith(':\n'));
    assert.equal((await statsOf(running.server)).streams, 1);
  });
}

test('refusals - the limit per address sees through a trusted proxy, and nobody else', async (t) => {
  const args = ['-max-streams-per-address', '1'];
  const trusting = await startServer(t, [...args, '-trust-proxy', '127.0.0.1']);
  await open(t, trusting, 'ann', { 'x-forwarded-for': '1.1.1.1' });
  await open(t, trusting, 'bob', { 'x-forwarded-for': '9.9.9.9, 2.2.2.2' });
  assert.equal((await statsOf(trusting.server)).streams, 2);
  const same = await open(t, trusting, 'eve', { 'x-forwarded-for': '2.2.2.2' });
  await same.end();
  assert.equal((await statsOf(trusting.server)).streams, 2);

  // Node sends an array as several lines: what the client wrote, then what the proxy added.
  const lines = await open(t, trusting, 'joe', { 'x-forwarded-for': ['3.3.3.3', '2.2.2.2'] });
  await lines.end();
  assert.equal((await statsOf(trusting.server)).streams, 2);

  const wary = await startServer(t, args);
  await open(t, wary, 'ann', { 'x-forwarded-for': '1.1.1.1' });
  const spoofed = await open(t, wary, 'bob', { 'x-forwarded-for': '2.2.2.2' });
  await spoofed.end();
  assert.equal((await statsOf(wary.server)).streams, 1);
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

for (const { name, args, users } of [
  { name: 'user', args: ['-max-streams-per-user', '2'], users: ['ann', 'ann', 'ann'] },
  { name: 'address', args: ['-max-streams-per-address', '2'], users: ['ann', 'bob', 'eve'] },
  {
    name: 'user and the address',
    args: ['-max-streams-per-user', '2', '-max-streams-per-address', '2'],
    users: ['ann', 'ann', 'ann'],
  },
]) {
  test(`refusals - -over-limit replace: the oldest of the ${name} gives way, for minutes`, async (t) => {
    const running = await startServer(t, [...args, '-over-limit', 'replace']);
    const streams: SseClient[] = [];
    for (const user of users) {
      const stream = await open(t, running, user);
      await eventually(() => stream.text.endsWith(':\n'));
      streams.push(stream);
    }
    const oldest = streams.shift()!;
    await oldest.end();
    assert.equal(oldest.cut, false);
    assert.match(oldest.text, /\n:\nretry: \d+\n:\n$/);
    const retry = oldest.retries.at(-1)!;
    assert.ok(retry >= 300_000 && retry <= 600_000, `${retry}`);
    await emitRaw(running, 'data: x');
    for (const stream of streams) assert.equal((await stream.next()).data, 'x');
    assert.equal((await statsOf(running.server)).streams, 2);
    const lines = running.log.filter((line) => line['reason'] === 'replaced');
    assert.equal(lines.length, 1);
  });
}

test('refusals - -over-limit replace leaves others alone: a full process refuses', async (t) => {
  const args = ['-max-streams', '2', '-max-streams-per-user', '1', '-over-limit', 'replace'];
  const running = await startServer(t, args);
  const ann = await open(t, running, 'ann');
  const bob = await open(t, running, 'bob');
  const eve = await open(t, running, 'eve');
  await eve.end();
  assert.match(eve.text, /^retry: \d+\n$/);
  const again = await open(t, running, 'ann');
  await ann.end();
  assert.deepEqual([bob.ended, again.ended], [false, false]);
});

test('refusals - two addresses of one IPv6 network are one client, ports and spellings do not count', async (t) => {
  const base = ['-max-streams-per-address', '1', '-trust-proxy', '127.0.0.1'];
  const from = (address: string) => ({ 'x-forwarded-for': address });
  for (const { args, others } of [
    { args: [], others: ['[2001:DB8:0::8]:443', '2001:db8::ffff:1'] },
    { args: ['-address-prefix6', '128'], others: ['2001:DB8:0:0::7', '[2001:db8::7]:1'] },
    { args: ['-address-prefix6', '48'], others: ['2001:db8:0:1::1'] },
  ]) {
    const running = await startServer(t, [...base, ...args]);
    await open(t, running, 'ann', from('2001:db8::7'));
    for (const address of others) {
      const refused = await open(t, running, 'bob', from(address));
      await refused.end();
    }
    await open(t, running, 'eve', from('2001:db9::7'));
    await open(t, running, 'joe', from('192.0.2.1:1111'));
    const same = await open(t, running, 'joe', from('192.0.2.1:2222'));
    await same.end();
    assert.equal((await statsOf(running.server)).streams, 3);
  }
});

test('refusals - -over-limit replace: a stream that takes nothing any more gives way too', {
  timeout: 60_000,
}, async (t) => {
  const args = ['-max-streams-per-user', '1', '-over-limit', 'replace', '-max-body', '2000000'];
  const running = await startServer(t, args);
  const stuck = await connectRaw(t, running.publicUrl);
  stuck.send(streamRequest(tokenFor('ann')));
  await stuck.until(/retry/);
  stuck.socket.pause();
  await eventually(async () => {
    await emitRaw(running, `data: ${'x'.repeat(1_000_000)}`);
    return (await statsOf(running.server)).blockedStreams === 1;
  });
  const next = await open(t, running, 'ann');
  await eventually(() => next.text.includes(':\n'));
  const { streams, blockedStreams } = await statsOf(running.server);
  assert.deepEqual([streams, blockedStreams], [1, 0]);
  await emitRaw(running, 'data: for the newest');
  assert.equal((await next.next()).data, 'for the newest');
});
