/** Entries on their way to other threads arrive as they were. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsOf, decodeBatch, encodeBatch } from '../../../src/threads/batch.ts';

test('batch - entries, their traces, and since when they have been under way', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const channels = ['news', 'w\u00e4rme'];
  const entries = [
    { n: 7, channels, to: undefined, bytes: Buffer.from('\u00e4'), trace: undefined },
    { n: 8, channels, to: 'ann', bytes: Buffer.alloc(0), trace },
    { n: 9, channels, to: new Set(['ann', 'bob']), bytes: Buffer.from('b'), trace: undefined },
  ];
  const memory = encodeBatch({ since: 1_795_657_816_617.78, entries }, 3);
  countsOf(memory, 2).set([1, 2, 3]);
  assert.deepEqual(decodeBatch(memory, 3), { since: 1_795_657_816_617.78, entries });
  assert.deepEqual([...countsOf(memory, 2)], [1, 2, 3]);
  assert.deepEqual([...countsOf(memory, 1)], [0, 0, 0]);
});
