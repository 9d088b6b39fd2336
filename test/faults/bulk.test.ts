/** A million lines in one request: the memory for them is that for a few. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendLines } from '../support/bulk-sender.ts';
import { megabytes, residentBytes, watchMost } from '../support/process-facts.ts';
import { THREADS } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';

/**
 * Of a server just started. Most of it is V8's space for young objects, which any busy server has: 21 MB with one thread. What is on
 * its way to more threads is in memory that is used again and again.
 */
const MOST_GROWTH_BYTES = (THREADS === '1' ? 40 : 60) * 1_048_576;

const line = (index: number): string =>
  `{"userId":"${index % 10_000}","channel":"news","event":"invoice","data":{"n":${index},"text":"a line of usual length"}}\n`;

for (const [what, headers] of [
  ['without a key', []],
  ['with one', ['Idempotency-Key: million']],
] as const)
  test(`bulk - a million lines in one request, ${what}: memory stays what it is`, {
    timeout: 300_000,
  }, async (t) => {
    const server = await spawnServer(t);
    const { pid } = server.process;
    const url = server.controlUrl;
    const before = residentBytes(pid!);
    const most = watchMost(() => residentBytes(pid!));
    const began = performance.now();
    const told = JSON.parse(await sendLines({ url, count: 1_000_000, line, headers }));
    const seconds = (performance.now() - began) / 1_000;
    const growth = most.stop() - before;
    t.diagnostic(`${megabytes(growth)} more, ${Math.round(1_000_000 / seconds)} lines a second`);
    assert.deepEqual([told.accepted, told.failed, told.truncated], [1_000_000, 0, false]);
    assert.ok(growth < MOST_GROWTH_BYTES, `${megabytes(growth)} more`);
  });
