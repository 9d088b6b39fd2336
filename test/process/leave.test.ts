/** Leaving and coming back: drain, snapshot, and what a crash costs. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const snapshotPath = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-snapshot-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'log');
};

const news = (server: SpawnedServer, text: string, userId = '*') =>
  emit(server.controlUrl, { userId, channel: 'news', payload: `data: ${text}` });

const resume = (t: TestContext, { publicUrl }: SpawnedServer, id: string, user = 'ann') =>
  openStream(t, `${publicUrl}/events/`, {
    headers: { ...bearer(tokenFor(user)), 'last-event-id': id },
  });

test('drain - streams end over the window, none all at once, each told to come back as much later', {
  timeout: 30_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '4']);
  const streams = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      openStream(t, `${server.publicUrl}/events/`, { headers: bearer(tokenFor(`u${i}`)) }),
    ),
  );
  await news(server, 'last words');
  const seconds: number[] = [];
  const began = performance.now();
  const stopped = server.stop();
  await eventually(
    () => {
      seconds.push(streams.filter((stream) => stream.ended).length);
      return streams.every((stream) => stream.ended);
    },
    { withinMs: 15_000 },
  );
  assert.equal(await stopped, 0);
  assert.ok(performance.now() - began > 3_000, 'not all at once');
  for (const stream of streams) {
    assert.equal(stream.cut, false);
    assert.match(stream.text, /data: last words\nid: \S+\n\n:\n(?::\n)*retry: \d+\n:\n$/);
    const retry = stream.retries.at(-1)!;
    assert.ok(retry >= 5_000 && retry <= 6_000, `${retry}`);
  }
  const most = Math.max(...seconds.map((count, i) => count - (seconds[i - 1] ?? 0)));
  assert.ok(most < 60, `${most} of 200 between two looks`);
});

test('drain - while it lasts, streams that are still open stay whole and new ones are told to come back', {
  timeout: 30_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '2']);
  const url = `${server.publicUrl}/events/`;
  const stream = await openStream(t, url, { headers: bearer(tokenFor('ann')) });
  const stopped = server.stop();
  await stream.end({ withinMs: 10_000 });
  assert.equal(await stopped, 0);
  assert.match(stream.text, /retry: \d+\n:\n$/);
});

test('snapshot - a restart loses nothing: no gap, numbers go on under a new epoch, the file is gone once read', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  const { body } = await news(first, '1');
  await news(first, '2');
  await news(first, 'for bob', 'bob');
  assert.equal(await first.stop(), 0);
  assert.ok(existsSync(path));

  const second = await spawnServer(t, ['-snapshot', path]);
  assert.equal(existsSync(path), false);
  const stream = await resume(t, second, body['id'] as string);
  const bob = await resume(t, second, body['id'] as string, 'bob');
  await news(second, '4');
  assert.deepEqual(
    (await stream.arrived(2)).map((event) => event.data),
    ['2', '4'],
  );
  assert.deepEqual(
    (await bob.arrived(3)).map((event) => event.data),
    ['2', 'for bob', '4'],
  );
  assert.match(stream.events[1]!.id!, /-4$/);
  assert.notEqual(stream.events[1]!.id!.split('-')[0], String(body['id']).split('-')[0]);
});

test('snapshot - after a crash: one notice of another epoch, never an id given twice', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  await news(first, '1');
  await first.stop();
  const second = await spawnServer(t, ['-snapshot', path]);
  const { body } = await news(second, '2');
  await second.stop('SIGKILL');
  const third = await spawnServer(t, ['-snapshot', path]);
  const stream = await resume(t, third, body['id'] as string);
  const notice = JSON.parse((await stream.next()).data);
  assert.equal(notice.reason, 'epoch');
  const { body: next } = await news(third, '3');
  assert.notEqual(String(next['id']).split('-')[0], String(body['id']).split('-')[0]);
  assert.equal((await stream.next()).data, '3');
});

test('snapshot - one that is not whole, or of another version, is left out with a warning', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  for (let i = 0; i < 5; i += 1) await news(first, `${i}`);
  await first.stop();
  const whole = readFileSync(path, 'utf8');
  const lines = whole.split('\n');
  for (const damaged of [
    '',
    'garbage',
    whole.slice(0, -20),
    lines.filter((_, i) => i !== 2).join('\n'),
    whole.replace('"format":1', '"format":2'),
  ]) {
    writeFileSync(path, damaged);
    const server = await spawnServer(t, ['-snapshot', path]);
    assert.ok(server.log().some((line) => /snapshot not usable/.test(String(line['msg']))));
    assert.match(String((await news(server, 'x')).body['id']), /-1$/);
    await server.stop('SIGKILL');
  }
});

test('snapshot - a folder that cannot be written is told in the log, and the server still leaves', async (t) => {
  const server = await spawnServer(t, ['-snapshot', '/does/not/exist/log']);
  assert.equal(await server.stop(), 0);
  assert.ok(server.log().some((line) => /snapshot not written/.test(String(line['msg']))));
});
