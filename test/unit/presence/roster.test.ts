import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Roster } from '../../../src/presence/roster.ts';
import { Random } from '../../support/prng.ts';

const GRACE = 15;

function setUp(maxAway?: number) {
  const told: string[] = [];
  let now = 0;
  const roster = new Roster({
    graceSeconds: GRACE,
    onChange: (name, isHere) => told.push(`${isHere ? '+' : '-'}${name}`),
    now: () => now,
    ...(maxAway === undefined ? {} : { maxAway }),
  });
  const pass = (seconds: number): void => {
    now += seconds;
  };
  return { roster, told, pass, now: () => now };
}

test('roster - one that comes back within the grace has told nobody anything', () => {
  const { roster, told, pass } = setUp();
  roster.entered('ann');
  for (let i = 0; i < 3; i += 1) {
    roster.left('ann');
    pass(GRACE - 1);
    assert.equal(roster.stateOf('ann'), 'away');
    roster.entered('ann');
    assert.equal(roster.stateOf('ann'), 'online');
  }
  assert.deepEqual(told, ['+ann']);
  roster.left('ann');
  pass(GRACE);
  assert.equal(roster.stateOf('ann'), 'offline');
  assert.deepEqual(told, ['+ann', '-ann']);
});

test('roster - one that comes back after the grace was offline, whether or not anybody asked', () => {
  const { roster, told, pass } = setUp();
  roster.entered('ann');
  roster.left('ann');
  pass(GRACE + 1);
  roster.entered('ann');
  assert.deepEqual(told, ['+ann', '-ann', '+ann']);
});

test('roster - who is in two threads is gone when both have told so', () => {
  const { roster } = setUp();
  roster.entered('ann');
  roster.entered('ann');
  roster.left('ann');
  assert.equal(roster.stateOf('ann'), 'online');
  roster.left('ann');
  assert.equal(roster.stateOf('ann'), 'away');
  roster.left('ann'); // more often than it came
  assert.equal(roster.stateOf('ann'), 'away');
});

test('roster - so many are away at most, those who left first are offline early', () => {
  const { roster, told } = setUp(2);
  for (const name of ['a', 'b', 'c']) {
    roster.entered(name);
    roster.left(name);
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => roster.stateOf(name)),
    ['offline', 'away', 'away'],
  );
  assert.deepEqual(told, ['+a', '+b', '+c', '-a']);
});

test('roster - 10,000 random comings and goings in three threads, against a model', () => {
  const { roster, told, pass, now } = setUp();
  const numbers = new Random(7);
  const random = () => numbers.next();
  const users = Array.from({ length: 40 }, (_, i) => `u${i}`);
  const counts = new Map<string, number>();
  const leftAt = new Map<string, number>();
  const expected = (user: string) => {
    if ((counts.get(user) ?? 0) > 0) return 'online';
    const left = leftAt.get(user);
    return left !== undefined && now() < left + GRACE ? 'away' : 'offline';
  };
  for (let i = 0; i < 10_000; i += 1) {
    const user = users[Math.floor(random() * users.length)]!;
    const count = counts.get(user) ?? 0;
    if (random() < 0.5 && count < 3) {
      counts.set(user, count + 1);
      roster.entered(user);
    } else if (count > 0) {
      counts.set(user, count - 1);
      if (count === 1) leftAt.set(user, now());
      roster.left(user);
    }
    pass(random() < 0.05 ? random() * 20 : random());
    for (const name of users) assert.equal(roster.stateOf(name), expected(name), `${name}, ${i}`);
  }
  // What was told takes turns, and ends with what is so.
  for (const user of users) {
    const own = told.filter((line) => line.slice(1) === user);
    for (const [i, line] of own.entries()) assert.equal(line[0], i % 2 === 0 ? '+' : '-', user);
    assert.equal(own.at(-1)?.[0] ?? '-', expected(user) === 'offline' ? '-' : '+', user);
  }
});
