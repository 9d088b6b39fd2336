/** In which order a test's things end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { undo } from '../../support/undo.ts';

test('undo - what was started last ends first, one after the other, and all of it though one fails', async () => {
  const order: string[] = [];
  const hooks: (() => void | Promise<void>)[] = [];
  const owner = { after: (hook: () => void | Promise<void>) => void hooks.push(hook) };
  undo(owner, () => void order.push('NATS'));
  undo(owner, () => {
    order.push('a node');
    throw new Error('streams left open');
  });
  undo(owner, async () => {
    await new Promise(setImmediate);
    order.push('another node');
  });
  assert.equal(hooks.length, 1);
  await assert.rejects(async () => hooks[0]!(), /streams left open/);
  assert.deepEqual(order, ['another node', 'a node', 'NATS']);
});
