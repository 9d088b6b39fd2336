import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_TAKEN_BYTES, WebhookQueue } from '../../../src/webhooks/queue.ts';

test('webhook queue - what goes together is bounded in bytes, and one that is larger goes alone', () => {
  const queue = new WebhookQueue(100_000_000);
  const sizes = [100_000, 100_000, 100_000, 1_000_000, 10, 10];
  for (const size of sizes) queue.push('event.undelivered', { event: 'x'.repeat(size) });
  const batches: number[][] = [];
  while (queue.count > 0) {
    const taken = queue.take(100);
    const bytes = taken.reduce((sum, { data }) => sum + String(data['event']).length, 0);
    assert.ok(taken.length === 1 || bytes <= MAX_TAKEN_BYTES);
    batches.push(taken.map(({ seq }) => seq));
    queue.delivered();
  }
  assert.deepEqual(batches, [[1, 2], [3], [4], [5, 6]]);
});
