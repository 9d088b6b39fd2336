/** Tokens that name channels by prefix, over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

interface Emitted {
  readonly id: string;
  readonly streams: number;
}

async function emit({ controlUrl }: RunningServer, channel: string | string[], userId = '*') {
  const data = [channel].flat().join(' ');
  const { status, text } = await post(`${controlUrl}/emit/`, { userId, channel, data });
  assert.equal(status, 200, text);
  return JSON.parse(text) as Emitted;
}

async function open(
  t: TestContext,
  { eventsUrl }: RunningServer,
  channels: readonly string[],
  lastEventId?: string,
  user = 'ann',
): Promise<SseClient> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const stream = await openStream(t, eventsUrl, {
    headers: { ...bearer(tokenFor(user, channels)), ...headers },
  });
  await eventually(() => stream.everything.length > 0, { what: 'the first frame' });
  return stream;
}

const dataOf = (stream: SseClient): string[] => stream.events.map(({ data }) => data);

async function gets(stream: SseClient, expected: readonly string[]): Promise<void> {
  await stream.arrived(expected.length);
  assert.deepEqual(dataOf(stream), expected);
}

for (const threads of ['1', '2'])
  test(`prefix - with -threads ${threads}: everything below it, once, and nothing beside it`, async (t) => {
    const running = await startServer(t, ['-threads', threads]);
    const orders = await open(t, running, ['orders/*']);
    const both = await open(t, running, ['orders/42', 'orders/eu/*', 'orders/*'], undefined, 'bob');
    const eu = await open(t, running, ['orders/eu/*', 'end']);
    const counts = [
      (await emit(running, 'orders/42')).streams,
      (await emit(running, 'orders/eu/7')).streams,
      (await emit(running, 'orders')).streams,
      (await emit(running, 'ordersx/1')).streams,
      (await emit(running, ['orders/42', 'orders/eu/8', 'elsewhere'])).streams,
      (await emit(running, 'orders/eu/9', 'bob')).streams,
      (await emit(running, 'orders/a/b/c/d/e/f/g/h/i/j')).streams,
      (await emit(running, ['orders/last', 'end'])).streams,
    ];
    assert.deepEqual(counts, [2, 3, 0, 0, 3, 1, 2, 3]);
    const several = 'orders/42 orders/eu/8 elsewhere';
    const deep = 'orders/a/b/c/d/e/f/g/h/i/j';
    const last = 'orders/last end';
    await gets(orders, ['orders/42', 'orders/eu/7', several, deep, last]);
    await gets(both, ['orders/42', 'orders/eu/7', several, 'orders/eu/9', deep, last]);
    await gets(eu, ['orders/eu/7', several, last]);
  });

for (const threads of ['1', '2'])
  test(`prefix - with -threads ${threads}: whoever is the first on it gets what was emitted below it before`, async (t) => {
    const running = await startServer(t, ['-threads', threads]);
    const { id } = await emit(running, 'rooms/1');
    await emit(running, 'rooms/2');
    await emit(running, 'rooms/2', 'bob');
    await emit(running, ['rooms/1', 'rooms/3/a']);
    const stream = await open(t, running, ['rooms/*'], id);
    await emit(running, 'rooms/4');
    await gets(stream, ['rooms/2', 'rooms/1 rooms/3/a', 'rooms/4']);
  });

test('prefix - a gap is told when something below it is gone, and only then', async (t) => {
  const running = await startServer(t, ['-history', '2']);
  const { id } = await emit(running, 'a/1');
  await emit(running, 'a/2', 'bob');
  for (let i = 0; i < 3; i += 1) await emit(running, 'a/2', 'bob');
  await emit(running, 'a/3');
  const ann = await open(t, running, ['a/*'], id);
  await gets(ann, ['a/3']);
  const bob = await open(t, running, ['a/*'], id, 'bob');
  assert.equal((await bob.next()).event, 'tidings.gap');
});

test('prefix - without a history streams get what is new', async (t) => {
  const running = await startServer(t, ['-history', '0']);
  const stream = await open(t, running, ['a/*', 'a/1']);
  await emit(running, 'a/1');
  await emit(running, 'a/2');
  await gets(stream, ['a/1', 'a/2']);
});

test('prefix - a restart with a snapshot loses nothing below it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-prefix-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['-snapshot', join(folder, 'log')];
  const before = await startServer(t, args);
  const { id } = await emit(before, 'a/1');
  const stream = await open(t, before, ['a/*']);
  await emit(before, 'a/2');
  await emit(before, 'b/1');
  await gets(stream, ['a/2']);
  await before.server.stop();
  const after = await startServer(t, args);
  const [known, fresh] = [await open(t, after, ['a/*'], id), await open(t, after, ['b/*'], id)];
  await emit(after, ['a/3', 'b/2']);
  await gets(known, ['a/2', 'a/3 b/2']);
  await gets(fresh, ['b/1', 'a/3 b/2']);
});

test('prefix - presence and disconnect know it by the name that tokens give it', async (t) => {
  const running = await startServer(t);
  const stream = await open(t, running, ['orders/*']);
  await emit(running, 'orders/42');
  const { controlUrl } = running;
  const streamsOf = async (name: string) => {
    const response = await fetch(`${controlUrl}/channels/${encodeURIComponent(name)}/`);
    return ((await response.json()) as { streams: number }).streams;
  };
  assert.deepEqual([await streamsOf('orders/*'), await streamsOf('orders/42')], [1, 0]);
  const ended = await post(`${controlUrl}/disconnect/`, { channel: 'orders/*' });
  assert.deepEqual(JSON.parse(ended.text), { streams: 1 });
  await stream.end();
  assert.deepEqual(dataOf(stream), ['orders/42']);
});

const DEEPEST = 'a/b/c/d/e/f/g/h/*';

test('prefix - of eight levels it counts, of more it is refused; so is a lone star', async (t) => {
  const running = await startServer(t);
  const stream = await open(t, running, [DEEPEST]);
  await emit(running, 'a/b/c/d/e/f/g/h/i');
  await gets(stream, ['a/b/c/d/e/f/g/h/i']);
  for (const channel of ['*', `a/${DEEPEST}`, ['ok', '*']]) {
    const { eventsUrl, controlUrl } = running;
    const { status } = await openStream(t, eventsUrl, {
      headers: bearer(tokenFor('ann', channel)),
    });
    assert.equal(status, 401, String(channel));
    const refused = await post(`${controlUrl}/token/`, { userId: 'ann', channel, exp: 60 });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.text, /"FIELD_INVALID","message":"channel must /);
  }
  const good = { userId: 'ann', channel: ['a/*', DEEPEST, 'a*', '*/a', 'a/*/b', '**'], exp: 60 };
  assert.equal((await post(`${running.controlUrl}/token/`, good)).status, 200);
});

test('prefix - nobody emits to one, nor to a lone star', async (t) => {
  const { controlUrl } = await startServer(t);
  for (const channel of ['orders/*', '*', ['news', 'orders/*']]) {
    const { status, text } = await post(`${controlUrl}/emit/`, { userId: '*', channel, data: '' });
    assert.equal(status, 400);
    assert.match(text, /"FIELD_INVALID","message":"channel must not /);
  }
  const name = { userId: '*', channel: ['a*', '*/a', 'a/*/b', '**', 'a/'], data: '' };
  assert.equal((await post(`${controlUrl}/emit/`, name)).status, 200);
});
