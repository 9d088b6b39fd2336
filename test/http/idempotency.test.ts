/** Emits that are sent again under their key: one event, and the first id again. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openNews } from '../support/emitting.ts';
import { Random } from '../support/prng.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

type Body = string | URLSearchParams;

async function emit(
  { controlUrl }: RunningServer,
  body: Body,
  headers: Record<string, string> = {},
) {
  const json = body instanceof URLSearchParams ? {} : { 'content-type': 'application/json' };
  const response = await fetch(`${controlUrl}/emit/`, {
    method: 'POST',
    headers: { ...json, ...headers },
    body,
  });
  return { status: response.status, told: JSON.parse(await response.text()) };
}

const lines = (running: RunningServer, body: string, key: string) =>
  emit(running, body, { 'content-type': 'application/x-ndjson', 'idempotency-key': key });

const event = (data: unknown, more: object = {}): string =>
  JSON.stringify({ userId: 'ann', channel: 'news', data, ...more });

test('idempotency - form or JSON, by header or field: the second answers with the id of the first', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  const form = new URLSearchParams({ userId: 'ann', channel: 'news', data: 'x' });
  const withKey = new URLSearchParams([...form, ['key', 'field']]);
  for (const [body, headers] of [
    [form, { 'idempotency-key': 'form' }],
    [withKey, {}],
    [event({ a: 1 }), { 'idempotency-key': 'json' }],
    [event('x', { key: 'json-field' }), {}],
    [event('x', { key: 42 }), { 'idempotency-key': 'gives-way' }],
  ] as [Body, Record<string, string>][]) {
    const first = await emit(running, body, headers);
    assert.deepEqual([first.status, first.told.duplicate], [200, undefined]);
    const second = await emit(running, body, headers);
    assert.deepEqual(
      [second.status, second.told],
      [200, { id: first.told.id, streams: 0, duplicate: true, window: 'reset' }],
    );
  }
  // As the draft has it, in quotes, and with the members in another order.
  const again = await emit(running, '{"data": {"a":1}, "channel":"news", "userId":"ann"}', {
    'idempotency-key': '"json"',
  });
  assert.equal(again.told.duplicate, true);
  await emit(running, event('last'));
  assert.equal((await ann.arrived(6)).length, 6);
});

test('idempotency - another event under a key is a mismatch; a key that cannot be one is refused', async (t) => {
  const running = await startServer(t);
  await emit(running, event(1, { key: 'k' }));
  const { status, told } = await emit(running, event(2, { key: 'k' }));
  assert.deepEqual([status, told.error], [409, 'IDEMPOTENCY_MISMATCH']);
  for (const key of ['', 'x'.repeat(257), 'a b', 'ä', 1.5, [], {}, true]) {
    const refused = await emit(running, event(1, { key }));
    assert.deepEqual([refused.status, refused.told.error], [400, 'FIELD_INVALID'], String(key));
    assert.match(refused.told.message, /^key must be 1 to 256/);
  }
  const header = await emit(running, event(1), { 'idempotency-key': 'x'.repeat(257) });
  assert.match(header.told.message, /^Idempotency-Key must be 1 to 256/);
  assert.equal(running.server.hub.head, 1);
});

test('idempotency - of two lines with a key none is taken, on either door', async (t) => {
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const body = event('x');
  const head = `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: ${body.length}\r\n\r\n`;
  const heads = [head, head.replace('Key: b', 'Key:'), head.replace('Key: a', 'Key:')];
  const doors = [running.controlUrl, running.server.compatUrl];
  for (const [url, lines] of doors.flatMap((url) => heads.map((lines) => [url, lines] as const))) {
    const raw = await connectRaw(t, url);
    raw.send(lines + body);
    assert.match(await raw.until(/\}\s*$/), /^HTTP\/1.1 400 .*Idempotency-Key must be 1 to 256/s);
  }
  assert.equal(running.server.hub.head, 0);
});

test('idempotency - many at the same time are one event', async (t) => {
  const running = await startServer(t);
  const replies = await Promise.all(
    Array.from({ length: 50 }, () => emit(running, event('x', { key: 'k' }))),
  );
  assert.equal(running.server.hub.head, 1);
  const ids = new Set(replies.map(({ told }) => told.id));
  assert.equal(ids.size, 1);
  assert.equal(replies.filter(({ told }) => told.duplicate !== true).length, 1);
});

test('idempotency - an upload that is sent again continues; faults that were mended are emitted', async (t) => {
  const running = await startServer(t);
  const body = [event(1), '{"bad":1}', event(3, { key: 'own' }), event(4)];
  const first = await lines(running, `${body.join('\n')}\n`, 'u');
  assert.deepEqual([first.status, first.told.accepted, first.told.failed], [207, 3, 1]);
  body[1] = event(2);
  body.push(event(5));
  const second = await lines(running, `${body.join('\n')}\n`, 'u');
  assert.equal(second.status, 200);
  assert.deepEqual([second.told.accepted, second.told.duplicates], [2, 3]);
  assert.deepEqual([second.told.first, second.told.window], [first.told.first, 'reset']);
  const third = await lines(running, `${body.join('\n')}\n`, 'u');
  const counts = { accepted: 0, duplicates: 5, streams: 0 };
  assert.deepEqual([third.status, third.told], [200, { ...second.told, ...counts }]);
  assert.equal(running.server.hub.head, 5);
  const other = await lines(running, `${event('x')}\n`, 'u');
  assert.deepEqual([other.status, other.told.error], [409, 'IDEMPOTENCY_MISMATCH']);
});

test('idempotency - an array is emitted whole once, also when it is sent again', async (t) => {
  const running = await startServer(t);
  const body = `[${event(1)},${event(2, { key: 'own' })}]`;
  const headers = { 'idempotency-key': 'a' };
  const first = await emit(running, body, headers);
  const second = await emit(running, body, headers);
  assert.deepEqual([first.told.accepted, second.told.accepted, second.told.duplicates], [2, 0, 2]);
  assert.deepEqual([first.told.first, first.told.last], [second.told.first, second.told.last]);
  const other = await emit(running, `[${event(0)},${event(2)}]`, headers);
  assert.deepEqual([other.status, other.told.error], [409, 'IDEMPOTENCY_MISMATCH']);
  assert.equal(running.server.hub.head, 2);
});

test('idempotency - a connection cut at any byte a hundred times: every event once, in order', {
  timeout: 120_000,
}, async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  const random = new Random();
  const count = 4_000;
  const body = Buffer.from(
    Array.from({ length: count }, (_, i) => `${event({ i, text: 'ä€' })}\n`).join(''),
  );
  const head = `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: cut\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (let cut = 0; cut < 100; cut += 1) {
    const raw = await connectRaw(t, running.controlUrl);
    const before = running.server.hub.head;
    // Further each time on average, so that there is new and old in most of them.
    const end = random.below(Math.ceil(((cut + 1) / 100) * body.length));
    await new Promise((resolve) =>
      raw.socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, end)]), resolve),
    );
    if (cut % 3 === 0)
      await eventually(() => running.server.hub.head >= Math.min(before + 1, linesIn(body, end)));
    if (cut % 2 === 0) raw.socket.destroy();
    else raw.socket.resetAndDestroy();
  }
  const { status, told } = await lines(running, body.toString(), 'cut');
  assert.equal(status, 200, `seed ${random.seed}`);
  assert.equal(told.accepted + told.duplicates, count);
  assert.ok(told.duplicates > 0);
  const events = await ann.arrived(count);
  assert.deepEqual(
    events.map(({ data }) => JSON.parse(data).i),
    Array.from({ length: count }, (_, i) => i),
    `seed ${random.seed}`,
  );
  assert.equal(running.server.hub.head, count);
});

const linesIn = (body: Buffer, end: number): number =>
  body.subarray(0, end).toString('latin1').split('\n').length - 1;

test('idempotency - keys outlive a restart with a snapshot; after one without, that is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['-snapshot', join(folder, 'log')];
  const first = await startServer(t, args);
  const body = `${event(1)}\n${event(2)}\n`;
  const upload = await lines(first, body, 'u');
  const single = await emit(first, event('x', { key: 'k' }));
  assert.equal(single.told.window, 'reset');
  await first.server.stop();
  const second = await startServer(t, args);
  const again = await lines(second, `${body}${event(3)}\n`, 'u');
  assert.deepEqual([again.told.accepted, again.told.duplicates], [1, 2]);
  assert.equal(again.told.first, upload.told.first);
  const { told } = await emit(second, event('x', { key: 'k' }));
  assert.deepEqual([told.id, told.duplicate], [single.told.id, true]);
  const third = await startServer(t);
  const unknown = await emit(third, event('x', { key: 'k' }));
  assert.deepEqual([unknown.told.duplicate, unknown.told.window], [undefined, 'reset']);
  assert.equal((await emit(third, event('x'))).told.window, undefined);
});
