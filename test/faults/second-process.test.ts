/** Two processes that want the same port or the same file. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { openCrowd } from '../support/crowd.ts';
import { emitMany, emitterFor, scratchFile } from '../support/faults.ts';
import { CLI, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const START_MS = 10_000;

/** Starts one that is expected to fail, and returns what it said. */
function failToStart(...args: string[]): string {
  const { status, stderr } = spawnSync(process.execPath, [CLI, '-secret', SECRET, ...args], {
    encoding: 'utf8',
    timeout: START_MS,
  });
  assert.equal(status, 2, stderr);
  return stderr.trimEnd().split('\n').at(-1)!;
}

const hostOf = (url: string): string => new URL(url).host;

const bothPorts = ({ publicUrl, controlUrl }: SpawnedServer): string[] => [
  ...['-bind', hostOf(publicUrl)],
  ...['-bindctl', hostOf(controlUrl)],
];

test('R-33 second process - on the same ports it leaves with one sentence, and the first one lacks nothing', async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const [stream] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('ann') }]);
  const emit = emitterFor(t, server.controlUrl);
  for (let i = 0; i < 5; i += 1) {
    assert.match(failToStart(...bothPorts(server)), /^tidings: .*another process has this port/);
    const n = await emit('news', 'x');
    await eventually(() => stream!.numbers.at(-1) === n, { what: 'the first one to go on' });
  }
  assert.equal(stream!.closedAt, undefined);
});

test('R-33 second process - one that cannot listen leaves the snapshot to the one that can', async (t) => {
  const file = scratchFile(t);
  const first = await spawnServer(t, ['-snapshot', file, '-drain', '0']);
  const [before] = await openCrowd(t, first.publicUrl, [{ token: tokenFor('ann') }]);
  const emit = emitterFor(t, first.controlUrl);
  const seen = await emit('news', 'seen');
  await eventually(() => before!.numbers.at(-1) === seen);
  const { lastEventId } = before!.reader;
  before!.close();
  const last = await emitMany(emit, 'news', 3);
  await first.stop();
  assert.ok(existsSync(file));

  const stranger = await spawnServer(t, ['-drain', '0']);
  failToStart('-snapshot', file, ...bothPorts(stranger));
  assert.ok(existsSync(file), 'what the next start needs is gone');
  const next = await spawnServer(t, ['-snapshot', file, '-drain', '0']);
  const [after] = await openCrowd(t, next.publicUrl, [{ token: tokenFor('ann'), lastEventId }]);
  await eventually(() => after!.numbers.at(-1) === last || after!.gaps.length > 0);
  assert.deepEqual([after!.numbers, after!.gaps], [[last - 2, last - 1, last], []]);
});

test('R-33 second process - two with the same snapshot file: never a wrong event, a notice of another epoch at worst', async (t) => {
  const file = scratchFile(t);
  const flags = ['-snapshot', file, '-drain', '0'];
  const [one, two] = [await spawnServer(t, flags), await spawnServer(t, flags)];
  const ids: (string | undefined)[] = [];
  for (const server of [one, two]) {
    const [stream] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('ann') }]);
    const n = await emitterFor(t, server.controlUrl)('news', 'x');
    await eventually(() => stream!.numbers.at(-1) === n);
    ids.push(stream!.reader.lastEventId);
    stream!.close();
  }
  await Promise.all([one.stop(), two.stop()]);
  const next = await spawnServer(t, flags);
  const streams = await openCrowd(
    t,
    next.publicUrl,
    ids.map((lastEventId) => ({ token: tokenFor('ann'), lastEventId })),
  );
  const n = await emitterFor(t, next.controlUrl)('news', 'y');
  await eventually(() => streams.every(({ numbers }) => numbers.at(-1) === n));
  for (const { numbers } of streams) assert.deepEqual(numbers, [n]);
  const reasons = streams.flatMap(({ gaps }) => gaps.map(({ reason }) => reason));
  // The one that started first is told; the other goes on when its file was the last to be written.
  assert.ok(reasons.length >= 1);
  assert.ok(
    reasons.every((reason) => reason === 'epoch'),
    String(reasons),
  );
});
