/** Which nodes count as alive, in time that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Beat, MAX_MEMBERS, Members, SILENT_MS } from '../../../src/cluster/members.ts';

const beat = (node: string, more: Partial<Beat> = {}): Beat => {
  return { node, started: 1, tells: false, newest: 0, isNew: false, isLast: false, ...more };
};

function started() {
  const clock = { now: 0 };
  const members = new Members('a', () => clock.now);
  const gone: string[] = [];
  members.onGone = (node, isLost) => gone.push(`${node} ${isLost ? 'lost' : 'left'}`);
  const names = () => members.others.join('');
  /** Each of these is heard every second. */
  const pass = (ms: number, heard: string) => {
    for (const until = clock.now + ms; clock.now < until; ) {
      clock.now += 1_000;
      for (const node of heard) members.heard(beat(node));
    }
  };
  return { clock, members, gone, names, pass };
}

test('members - one that is not heard for six seconds is lost, one that says farewell at once', () => {
  const { members, gone, names, pass } = started();
  pass(10_000, 'abc');
  assert.equal(names(), 'bc');
  members.heard(beat('c', { isLast: true }));
  assert.equal(names(), 'b');
  pass(SILENT_MS, 'a');
  assert.equal(names(), 'b');
  pass(1_000, 'a');
  assert.equal(names(), '');
  assert.deepEqual(gone, ['c left', 'b lost']);
});

test('members - a node that hears nothing takes nobody for lost, and those it hears again have time', () => {
  const { clock, members, names, pass } = started();
  pass(10_000, 'ab');
  clock.now += 60_000;
  assert.equal(members.isConnected, false);
  assert.equal(names(), 'b');
  pass(SILENT_MS - 1_000, 'a');
  assert.equal(members.isConnected, true);
  assert.equal(names(), 'b');
  pass(3_000, 'a');
  assert.equal(names(), '');
});

test('members - past the bound further ones are not listened to', () => {
  const { members, pass } = started();
  for (let n = 0; n < MAX_MEMBERS + 5; n += 1) members.heard(beat(`n${n}`));
  assert.equal(members.others.length, MAX_MEMBERS);
  pass(1_000, 'a');
  assert.equal(members.isConnected, true);
});

test('members - of those that have a receiver the oldest tells, and none while this node is cut off', () => {
  const { clock, members } = started();
  members.heard(beat('a', { started: 3, tells: true }));
  assert.equal(members.teller, 'a');
  members.heard(beat('c', { started: 2, tells: true }));
  members.heard(beat('b', { started: 2, tells: true }));
  members.heard(beat('d'));
  assert.equal(members.teller, 'b');
  members.heard(beat('b', { started: 2 }));
  assert.equal(members.teller, 'c');
  members.heard(beat('c', { isLast: true }));
  assert.equal(members.teller, 'a');
  clock.now += SILENT_MS;
  assert.equal(members.teller, undefined);
  assert.equal(members.hasTeller, true);
});
