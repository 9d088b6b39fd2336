/** Entries on their way to other threads arrive as they were. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBatch, ReceivedBatch } from '../../../src/threads/batch.ts';
import { SharedRing } from '../../../src/threads/shared-ring.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const channels = ['news', 'w\u00e4rme'];
const entries = [
  { n: 7, channels, to: undefined, bytes: Buffer.from('\u00e4'), trace: undefined },
  { n: 8, channels: ['news'], to: 'ann', bytes: Buffer.alloc(0), trace },
  { n: 9, channels, to: new Set(['ann', 'b\u00f6b']), bytes: Buffer.from('b'), trace: undefined },
];

/** With the bytes that somebody would be sent. */
function entryOf(batch: ReceivedBatch, i: number) {
  const { bytes, ...entry } = batch.entry(i);
  return { ...entry, bytes: bytes.encode() };
}

/** As it comes, behind another one, in memory that held something before. */
function sent(batch: Parameters<typeof encodeBatch>[0], ringBytes = 4_096) {
  const shared = new SharedArrayBuffer(ringBytes);
  new Uint8Array(shared).fill(0xff);
  const ring = new SharedRing(shared);
  ring.take(13);
  return new ReceivedBatch(
    encodeBatch(batch, 3, (bytes) => ring.take(bytes)),
    3,
  );
}

for (const [where, ringBytes] of [
  ['in the ring', 4_096],
  ['in memory of its own', 64],
] as const)
  test(`batch - entries, their traces, and since when they have been under way: ${where}`, () => {
    const batch = sent({ since: 1_795_657_816_617.78, entries }, ringBytes);
    assert.deepEqual([batch.since, batch.lost, batch.count], [1_795_657_816_617.78, undefined, 3]);
    assert.deepEqual(
      [0, 1, 2].map((i) => entryOf(batch, i)),
      entries,
    );
    assert.deepEqual(batch.lists, [channels, ['news']]);
    assert.deepEqual(
      [0, 1, 2].map((i) => [batch.numberOf(i), batch.listOf(i)]),
      [
        [7, 0],
        [8, 1],
        [9, 0],
      ],
    );
  });

test('batch - what every thread counts is added up', () => {
  const batch = sent({ since: 0, lost: 6, entries });
  for (const thread of [0, 1, 2]) for (const i of [0, 1, 2]) batch.tell(thread, i, 10 * thread + i);
  assert.deepEqual(
    [0, 1, 2].map((i) => batch.told(i)),
    [30, 33, 36],
  );
  assert.equal(batch.lost, 6);
  assert.deepEqual(entryOf(batch, 2), entries[2]);
});

test('batch - what a thread keeps holds no more memory than itself, and none that is used again', () => {
  const shared = new SharedArrayBuffer(4_096);
  const ring = new SharedRing(shared);
  const space = encodeBatch({ since: 0, entries }, 3, (bytes) => ring.take(bytes));
  const kept = new ReceivedBatch(space, 3).entry(0).bytes;
  new Uint8Array(shared).fill(0xff);
  const bytes = kept.encode();
  assert.deepEqual([bytes, kept.length], [entries[0]!.bytes, entries[0]!.bytes.length]);
  assert.equal(bytes.buffer.byteLength, bytes.length);
  assert.ok(!(bytes.buffer instanceof SharedArrayBuffer));
});
