/** Where users are, asked of all other nodes at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RollCall } from '../../../src/cluster/roll-call.ts';
import type { Presence } from '../../../src/presence/roster.ts';

test('roll call - all who are asked for in one turn are asked for once, and the nearest state counts', async () => {
  const asked: (readonly string[])[] = [];
  const states: Record<string, Presence[]> = {
    ann: ['offline', 'online'],
    bob: ['away', 'offline'],
    eve: ['offline', 'offline'],
  };
  const rollCall = new RollCall(async (users) => {
    asked.push(users);
    return { answers: [0, 1].map((node) => users.map((user) => states[user]![node]!)) };
  });
  const both = await Promise.all([
    rollCall.statesOf(['eve', 'ann']),
    rollCall.statesOf(['bob', 'ann']),
  ]);
  assert.deepEqual(
    both.map(({ answers }) => answers),
    [
      ['offline', 'online'],
      ['away', 'online'],
    ],
  );
  assert.deepEqual(asked, [['eve', 'ann', 'bob']]);
  assert.deepEqual(await rollCall.statesOf([]), { answers: [] });
});

test('roll call - more than one question holds go in two', async () => {
  const sizes: number[] = [];
  const rollCall = new RollCall(async (users) => {
    sizes.push(users.length);
    return { answers: [], unheard: { nodes: 2, answered: 1 } };
  });
  const users = (from: number) => Array.from({ length: 600 }, (_, i) => `u${from + i}`);
  const [first] = await Promise.all([rollCall.statesOf(users(0)), rollCall.statesOf(users(600))]);
  assert.deepEqual(sizes, [600, 600]);
  assert.deepEqual(first!.unheard, { nodes: 2, answered: 1 });
  assert.equal(first!.answers[599], 'offline');
});
