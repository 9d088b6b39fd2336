/** Entries are handed to all threads once a turn, in order, and counted there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceivedBatch } from '../../../src/threads/batch.ts';
import { Dispatch, MAX_BEHIND_BYTES } from '../../../src/threads/dispatch.ts';
import { RING_BYTES, SharedRing, type Space } from '../../../src/threads/shared-ring.ts';
import { newHub } from '../../support/hub.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const entry = (n: number, bytes = Buffer.from(`<${n}>`)) => ({
  ...{ n, bytes, channels: ['a'], to: undefined, trace: undefined },
});

const entriesOf = (batch: ReceivedBatch) =>
  Array.from({ length: batch.count }, (_, i) => {
    const { bytes, ...rest } = batch.entry(i);
    return { ...rest, bytes: bytes.encode() };
  });

function setUp(ringBytes = RING_BYTES) {
  const batches: ReceivedBatch[] = [];
  const sent: { lost: number | undefined; entries: ReturnType<typeof entriesOf> }[] = [];
  const spaces: Space[] = [];
  const ring = new SharedRing(new SharedArrayBuffer(ringBytes));
  const dispatch = new Dispatch({
    history: newHub(),
    threads: 2,
    ring,
    send: (space) => {
      const batch = new ReceivedBatch(space, 2);
      batches.push(batch);
      spaces.push(space);
      sent.push({ lost: batch.lost, entries: entriesOf(batch) });
    },
  });
  /** All threads have this batch, and each counts so many streams for each entry. */
  const taken = (at: number, ...counts: number[]) => {
    for (const thread of [0, 1]) {
      const batch = batches[at]!;
      for (let i = 0; i < batch.count; i += 1) batch.tell(thread, i, counts[thread] ?? 0);
      dispatch.appended(thread);
    }
  };
  return { dispatch, ring, spaces, batches: sent, taken };
}

test('dispatch - before there are threads all goes into the history alone', async () => {
  const { dispatch, batches } = setUp();
  dispatch.startBehind(3);
  dispatch.append([entry(4)]);
  dispatch.lost(5);
  assert.equal(dispatch.audience(entry(4)), 0);
  await turn();
  assert.deepEqual([batches.length, dispatch.head], [0, 5]);
  dispatch.open();
  dispatch.append([entry(6)]);
  await turn();
  assert.deepEqual(
    batches.map(({ entries }) => entries.map(({ n }) => n)),
    [[6]],
  );
  assert.equal(dispatch.appendedThrough, 5);
});

test('dispatch - one batch a turn; what is lost is told between what came before and after it', async () => {
  const { dispatch, batches, taken } = setUp();
  dispatch.open();
  dispatch.append([entry(1)]);
  dispatch.append([entry(2)]);
  await turn();
  dispatch.append([entry(3)]);
  dispatch.lost(8);
  dispatch.append([entry(9)]);
  await turn();
  dispatch.lost(11);
  await turn();
  await turn();
  assert.deepEqual(
    batches.map(({ lost, entries }) => [lost, ...entries.map(({ n }) => n)]),
    [[undefined, 1, 2], [undefined, 3], [8, 9], [11]],
  );
  const reached = batches.map((_, batch) => {
    taken(batch);
    return dispatch.appendedThrough;
  });
  assert.deepEqual(reached, [2, 3, 9, 11]);
});

test('dispatch - counts the streams of all threads for an entry, and for what is not appended now', async () => {
  const { dispatch, batches, taken } = setUp();
  dispatch.open();
  const newest = entry(1);
  dispatch.append([newest]);
  const counted = [dispatch.audience(newest), dispatch.audience({ channels: ['b'], to: 'ann' })];
  await turn();
  assert.deepEqual(
    batches[0]!.entries.map(({ n, channels }) => [n, ...channels]),
    [
      [1, 'a'],
      [0, 'b'],
    ],
  );
  taken(0, 2, 3);
  assert.deepEqual(await Promise.all(counted), [5, 5]);
});

test('dispatch - is behind while threads have more before them than they may', async () => {
  const { dispatch, taken } = setUp();
  dispatch.open();
  dispatch.append([entry(1, Buffer.alloc(MAX_BEHIND_BYTES))]);
  assert.equal(dispatch.isBehind, false);
  dispatch.append([entry(2)]);
  assert.equal(dispatch.isBehind, true, 'what is to be sent at the end of the turn counts as well');
  await turn();
  assert.equal(dispatch.isBehind, true);
  taken(0);
  assert.equal(dispatch.isBehind, false);
});

test('dispatch - memory is used again when every thread has read what was in it', async () => {
  const { dispatch, ring, spaces, taken } = setUp(4_096);
  dispatch.open();
  for (let round = 0; round < 100; round += 1) {
    for (const place of [0, 1]) {
      dispatch.append([entry(2 * round + place + 1, Buffer.alloc(1_000))]);
      await turn();
    }
    for (const place of [0, 1]) taken(2 * round + place);
  }
  assert.ok(spaces.every((space) => ring.isPart(space)));
});

test('dispatch - more than the ring holds is sent all the same', async () => {
  const { dispatch, ring, spaces, batches, taken } = setUp(4_096);
  dispatch.open();
  for (let n = 1; n <= 6; n += 1) {
    dispatch.append([entry(n, Buffer.alloc(1_000, n))]);
    await turn();
  }
  assert.deepEqual(
    spaces.map((space) => ring.isPart(space)),
    [true, true, true, false, false, false],
  );
  assert.deepEqual(
    batches.map(({ entries }) => entries[0]!.bytes[999]),
    [1, 2, 3, 4, 5, 6],
  );
  for (let at = 0; at < 6; at += 1) taken(at);
  assert.equal(dispatch.appendedThrough, 6);
});
