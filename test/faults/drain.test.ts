/** Five thousand streams leave one process and come back to the next. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Member, type MemberOptions, openCrowd } from '../support/crowd.ts';
import { emitMany, emitterFor, range, scratchFile, tokensFor } from '../support/faults.ts';
import { freePort } from '../support/free-ports.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const STREAMS = 5_000;
const WINDOW_SECONDS = 10;
/** Of all streams, in any one second of the window. */
const MOST_IN_A_SECOND = 0.15;

/** The most of these times that lie within one second of each other. */
function mostWithinASecond(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let first = 0;
  let most = 0;
  for (const [last, time] of sorted.entries()) {
    while (time - sorted[first]! >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function assertEven(t: TestContext, members: readonly Member[]): void {
  const times = members.map((member) => member.endedAt!);
  const most = mostWithinASecond(times);
  const span = Math.max(...times) - Math.min(...times);
  t.diagnostic(`${STREAMS} streams ended over ${(span / 1_000).toFixed(2)} s, ${most} in a second`);
  assert.ok(most <= STREAMS * MOST_IN_A_SECOND, `${most} of ${STREAMS} ended within a second`);
}

function assertEndedWhole(members: readonly Member[], last: number): void {
  for (const { reader, numbers, gaps } of members) {
    assert.equal(reader.broken, undefined);
    assert.ok(reader.isWhole);
    assert.deepEqual([numbers, gaps], [range(1, last), []]);
    assert.ok(reader.retryMs >= WINDOW_SECONDS * 1_000, `retry: ${reader.retryMs}`);
  }
}

const returning = (members: readonly Member[], tokens: readonly string[]): MemberOptions[] =>
  members.map(({ reader }, i) => ({ token: tokens[i]!, lastEventId: reader.lastEventId }));

test('drain - 5,000 streams leave evenly, whole, and miss nothing when they come back', {
  timeout: 120_000,
}, async (t) => {
  const bind = `127.0.0.1:${await freePort()}`;
  const flags = ['-bind', bind, '-snapshot', scratchFile(t), '-drain', String(WINDOW_SECONDS)];
  const tokens = tokensFor(STREAMS);
  const first = await spawnServer(t, flags);
  const before = await openCrowd(
    t,
    first.publicUrl,
    tokens.map((token) => ({ token })),
  );
  const left = await emitMany(emitterFor(t, first.controlUrl), 'news', 10);
  assert.equal(await first.stop(), 0);
  await eventually(() => before.every((member) => member.endedAt !== undefined), {
    what: 'the last chunk on every stream',
  });
  assertEven(t, before);
  assertEndedWhole(before, left);
  for (const member of before) member.close();

  const second = await spawnServer(t, [...flags, '-drain', '0']);
  const emit = emitterFor(t, second.controlUrl);
  await emitMany(emit, 'news', 10);
  const after = await openCrowd(t, second.publicUrl, returning(before, tokens));
  const last = await emitMany(emit, 'news', 10);
  const missed = range(left + 1, last);
  await eventually(() => after.every(({ numbers }) => numbers.length >= missed.length), {
    withinMs: 20_000,
    what: 'everything missed, on every stream',
  });
  for (const { numbers, gaps } of after) assert.deepEqual([numbers, gaps], [missed, []]);
});
