/** Lines that wait for their numbers are found, and leave nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PendingLines } from '../../../src/publish/pending-lines.ts';

test('pending lines - a million of them go through, and nothing of them stays', () => {
  const lines = new PendingLines<string>();
  for (let line = 1; line <= 1_000_000; line += 1) {
    lines.set(line, 'a');
    lines.delete(line - 4_096);
    assert.ok(lines.pageCount <= 6, `${lines.pageCount} pages for 4,096 lines`);
  }
  for (let line = 1_000_000; line > 990_000; line -= 1) lines.delete(line);
  assert.equal(lines.pageCount, 0);
});

test('pending lines - each is there until it is deleted, once however often it was set', () => {
  const lines = new PendingLines<string>();
  lines.set(7, 'a');
  lines.set(7, 'b');
  lines.set(8, 'c');
  assert.deepEqual(
    [lines.get(7), lines.get(8), lines.get(9), lines.get(7 + 1_024)],
    ['b', 'c', undefined, undefined],
  );
  lines.delete(7);
  lines.delete(7);
  assert.deepEqual([lines.get(7), lines.get(8)], [undefined, 'c']);
  lines.delete(8);
  assert.equal(lines.pageCount, 0);
});
