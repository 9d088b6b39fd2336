/** Which node tells a change, and what is told again when the one that told is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_REMEMBERED, REMEMBERED_MS, Turn, type Whose } from '../../../src/cluster/turn.ts';

function setUp() {
  const state = { whose: 'others' as Whose, now: 0 };
  const told: string[] = [];
  const turn = new Turn({
    whose: () => state.whose,
    tell: ([what, name, isHere], isAgain) => {
      told.push(`${what} ${name} ${isHere}${isAgain ? ' again' : ''}`);
    },
    now: () => state.now,
  });
  return { state, told, turn };
}

test('turn - a node whose turn it is tells at once, the others nothing', () => {
  const { state, told, turn } = setUp();
  turn.note(['user', 'ann', true]);
  assert.deepEqual(told, []);
  state.now = REMEMBERED_MS;
  state.whose = 'ours';
  turn.settle();
  turn.note(['user', 'bob', true]);
  assert.deepEqual(told, ['user bob true']);
});

test('turn - when it becomes ours what is not long ago is told again, before anything else, once', () => {
  const { state, told, turn } = setUp();
  turn.note(['user', 'old', true]);
  state.now = REMEMBERED_MS;
  turn.note(['user', 'ann', true]);
  turn.note(['channel', 'news', false]);
  state.whose = 'ours';
  turn.note(['user', 'ann', false]);
  turn.settle();
  const wanted = ['user ann true again', 'channel news false again', 'user ann false'];
  assert.deepEqual(told, wanted);
});

test('turn - no more is remembered than the bound', () => {
  const { state, told, turn } = setUp();
  for (let i = 0; i < MAX_REMEMBERED + 3; i += 1) turn.note(['user', `u${i}`, true]);
  state.whose = 'ours';
  turn.settle();
  assert.equal(told.length, MAX_REMEMBERED);
  assert.equal(told[0], 'user u3 true again');
});

test('turn - what came before any node told is told for the first time, unless another has told meanwhile', () => {
  for (const isOthers of [false, true]) {
    const { state, told, turn } = setUp();
    state.whose = 'nobodys';
    turn.note(['user', 'ann', true]);
    state.now += 1;
    if (isOthers) state.whose = 'others';
    turn.settle();
    state.whose = 'ours';
    turn.settle();
    assert.deepEqual(told, [`user ann true${isOthers ? ' again' : ''}`]);
  }
});

test('turn - what came while another told is told again as such, however soon that one is gone', () => {
  let whose: Whose = 'others';
  let ms = 0;
  const told: unknown[] = [];
  const turn = new Turn({
    whose: () => whose,
    tell: (change, isAgain) => told.push([change[1], isAgain]),
    now: () => {
      ms += 1;
      return ms;
    },
  });
  turn.note(['channel', 'c', true]);
  whose = 'ours';
  turn.settle();
  assert.deepEqual(told, [['c', true]]);
});
