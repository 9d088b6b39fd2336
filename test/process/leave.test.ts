/** Leaving and coming back: drain, snapshot, and what a crash costs. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import { createLogger } from '../../src/logger.ts';
import { Server } from '../../src/process/server.ts';
import { fail } from '../support/server.ts';
import { CLI, emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const snapshotPath = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-snapshot-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'log');
};

const news = (server: SpawnedServer, text: string, userId = '*') =>
  emit(server.controlUrl, { userId, channel: 'news', payload: `data: ${text}` });

const newsMany = async (server: SpawnedServer, count: number): Promise<string> => {
  let id = '';
  for (let i = 0; i < count; i += 1) id = String((await news(server, `${i}`)).body['id']);
  return id;
};

const epochOf = (id: unknown): string => String(id).split('-')[0]!;

const said = (server: SpawnedServer, pattern: RegExp): boolean =>
  server.log().some((line) => pattern.test(String(line['msg'])));

/** Starts one that is expected not to, and returns its last line. */
const failToStart = (path: string): string => {
  const args = ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0', '-secret', SECRET];
  const { status, stderr } = spawnSync(process.execPath, [CLI, ...args, '-snapshot', path], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  assert.equal(status, 2, stderr);
  return stderr.trimEnd().split('\n').at(-1)!;
};

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

test('snapshot - a restart loses nothing: no gap, numbers go on in a new epoch, the file is gone once read', async (t) => {
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
  const [old, fresh] = stream.events.map((event) => event.id);
  assert.equal(old, `${epochOf(body['id'])}-2`);
  assert.match(String(fresh), /-4$/);
  assert.notEqual(epochOf(fresh), epochOf(old));
});

test('snapshot - ids of every epoch that it knows are continued, each up to its newest', async (t) => {
  const path = snapshotPath(t);
  const ids: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const server = await spawnServer(t, ['-snapshot', path]);
    ids.push(await newsMany(server, 2));
    await server.stop();
  }
  const last = await spawnServer(t, ['-snapshot', path]);
  for (const [i, id] of ids.entries()) {
    const stream = await resume(t, last, id);
    await news(last, 'end');
    await stream.arrived(2 * (2 - i) + 1 + i);
    assert.ok(stream.events.every((event) => event.event !== 'tidings.gap'));
  }
  const beyond = await resume(t, last, `${epochOf(ids[0])}-3`);
  assert.equal((await beyond.next()).event, 'tidings.gap');
});

test('snapshot - a copy that comes back makes nobody miss anything in silence', async (t) => {
  const path = snapshotPath(t);
  const copy = `${path}.copy`;
  const first = await spawnServer(t, ['-snapshot', path]);
  const atCopy = await newsMany(first, 6);
  await first.stop();
  copyFileSync(path, copy);
  const second = await spawnServer(t, ['-snapshot', path]);
  const had = await newsMany(second, 94);
  assert.match(had, /-100$/);
  await second.stop();
  copyFileSync(copy, path);

  const third = await spawnServer(t, ['-snapshot', path]);
  assert.ok(said(third, /snapshot not usable/));
  await newsMany(third, 150);
  // One that had everything, and one that was away since before the copy was made.
  for (const after of [had, atCopy]) {
    const stream = await resume(t, third, after);
    const notice = JSON.parse((await stream.next()).data);
    assert.equal(notice.after, after);
    assert.equal(notice.reason, 'epoch');
  }
});

test('snapshot - a copy that comes back is taken when it is said that it shall be, up to where it goes', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  const atCopy = await newsMany(first, 6);
  await first.stop();
  copyFileSync(path, `${path}.copy`);
  const second = await spawnServer(t, ['-snapshot', path]);
  const had = await newsMany(second, 94);
  await second.stop('SIGKILL');
  copyFileSync(`${path}.copy`, path);
  rmSync(`${path}.epoch`);

  const third = await spawnServer(t, ['-snapshot', path]);
  await newsMany(third, 150);
  const told = await resume(t, third, had);
  assert.equal(JSON.parse((await told.next()).data).reason, 'epoch');
  const back = await resume(t, third, atCopy);
  const numbers = (await back.arrived(150)).map(({ id }) => Number(String(id).split('-')[1]));
  assert.deepEqual([numbers[0], numbers.at(-1)], [7, 156]);
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
  assert.notEqual(epochOf(next['id']), epochOf(body['id']));
  assert.equal((await stream.next()).data, '3');
});

test('snapshot - what is not a whole one is renamed, never removed, and the log is empty', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  await newsMany(first, 5);
  await first.stop();
  const whole = readFileSync(path, 'utf8');
  const damaged = [
    '',
    'my notes\n',
    '{"format":1,"time":0,"epoch":"a","head":1}\n0\n',
    whole.slice(0, -20),
    whole.replace('"format":2', '"format":3'),
  ];
  for (const [i, text] of damaged.entries()) {
    writeFileSync(path, text);
    const server = await spawnServer(t, ['-snapshot', path]);
    assert.ok(said(server, /snapshot not usable/));
    assert.match(String((await news(server, 'x')).body['id']), /-1$/);
    assert.equal(readFileSync(`${path}.unusable${i === 0 ? '' : `.${i}`}`, 'utf8'), text);
    assert.equal(existsSync(path), false);
    await server.stop('SIGKILL');
  }
});

test('snapshot - what cannot be read is left as it is, and renamed only for the next one', async (t) => {
  const path = snapshotPath(t);
  symlinkSync('/proc/self/mem', path); // its first byte cannot be read, by root neither
  const server = await spawnServer(t, ['-snapshot', path]);
  assert.ok(said(server, /snapshot cannot be read/));
  assert.equal(readlinkSync(path), '/proc/self/mem');
  const id = await newsMany(server, 2);
  await server.stop();
  assert.equal(readlinkSync(`${path}.unusable`), '/proc/self/mem');
  const next = await spawnServer(t, ['-snapshot', path]);
  const stream = await resume(t, next, id);
  await news(next, 'after');
  assert.equal((await stream.next()).data, 'after');
});

test('snapshot - a path that is no place for a file: one sentence, and no start', (t) => {
  const folder = dirname(snapshotPath(t));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  assert.match(failToStart(folder), /^tidings: -snapshot .* is a folder: name a file$/);
  assert.match(failToStart(pipe), /^tidings: -snapshot .* is no file: name a file$/);
  assert.match(failToStart(join(folder, 'missing', 'log')), /^tidings: .*its folder is missing/);
  assert.deepEqual(readdirSync(folder), ['pipe']);
});

test('snapshot - a folder that is gone when the server leaves is told in the log, and it still leaves', async (t) => {
  const folder = join(dirname(snapshotPath(t)), 'inner');
  mkdirSync(folder);
  const server = await spawnServer(t, ['-snapshot', join(folder, 'log')]);
  rmSync(folder, { recursive: true });
  assert.equal(await server.stop(), 0);
  assert.ok(said(server, /snapshot not written/));
});

test('snapshot - a disk that takes a part of it is told in the log, and nothing is left of it', async (t) => {
  const path = snapshotPath(t);
  const server = await spawnServer(t, ['-snapshot', path]);
  for (let i = 0; i < 12; i += 1) await news(server, 'x'.repeat(10_000));
  // As on a full disk, the write that reaches the limit is a short one.
  execFileSync('prlimit', ['--pid', String(server.process.pid), '--fsize=65536']);
  assert.equal(await server.stop(), 0);
  assert.ok(said(server, /snapshot not written/));
  assert.equal(said(server, /snapshot written/), false);
  assert.deepEqual(readdirSync(dirname(path)), ['log.epoch']);
});

test('snapshot - a second signal skips the drain, not the snapshot', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path, '-drain', '600']);
  const stream = await resume(t, first, '');
  const id = await newsMany(first, 2);
  const stopped = first.stop('SIGINT');
  await eventually(() => said(first, /draining/));
  first.process.kill('SIGINT');
  assert.equal(await stopped, 0);
  await stream.end();
  assert.equal(stream.cut, false);
  assert.match(stream.text, /retry: 60\d{4}\n:\n$/);
  const second = await spawnServer(t, ['-snapshot', path]);
  const back = await resume(t, second, id);
  await news(second, '3');
  assert.equal((await back.next()).data, '3');
});

test('snapshot - a stop that comes before the start is through leaves it to the next one', async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path]);
  const id = await newsMany(first, 2);
  await first.stop();
  const whole = readFileSync(path);
  const addresses = ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0', '-drain', '0'];
  const config = resolveConfig(
    parseOptions([...addresses, '-secret', SECRET, '-snapshot', path], {}),
  );
  const keys = { kind: 'secret', secret: SECRET } as const;
  const second = new Server({
    config: { ...config, keys },
    logger: createLogger('silent', { write() {} }),
    log: { write() {} },
    failed: fail,
  });
  await Promise.all([second.start(), second.stop()]);
  assert.deepEqual(readFileSync(path), whole);
  const third = await spawnServer(t, ['-snapshot', path]);
  const stream = await resume(t, third, id);
  await news(third, '3');
  assert.equal((await stream.next()).data, '3');
});

test('snapshot - emits are taken while streams end, and the next process has them', {
  timeout: 60_000,
}, async (t) => {
  const path = snapshotPath(t);
  const first = await spawnServer(t, ['-snapshot', path, '-drain', '600']);
  const stream = await resume(t, first, '');
  const { body } = await news(first, '1');
  const stopped = first.stop();
  await eventually(() => said(first, /draining/));
  assert.equal((await fetch(`${first.controlUrl}/readyz`)).status, 503);
  await assert.rejects(fetch(first.publicUrl), 'new streams are not taken');
  assert.equal((await news(first, '2')).status, 200);
  assert.deepEqual(
    (await stream.arrived(2)).map((event) => event.data),
    ['1', '2'],
  );
  first.process.kill('SIGTERM');
  assert.equal(await stopped, 0);
  const second = await spawnServer(t, ['-snapshot', path]);
  const back = await resume(t, second, body['id'] as string);
  assert.equal((await back.next()).data, '2');
});

test('drain - without a snapshot emits are refused from its beginning', async (t) => {
  const server = await spawnServer(t, ['-drain', '600']);
  const stream = await resume(t, server, '');
  await news(server, '1'); // over a connection that is kept
  const stopped = server.stop();
  await eventually(() => said(server, /draining/));
  const status = await news(server, '2').then(
    (answer) => answer.status,
    () => 503,
  );
  assert.equal(status, 503);
  server.process.kill('SIGTERM');
  assert.equal(await stopped, 0);
  await stream.end();
});
