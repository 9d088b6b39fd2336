import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sweep } from '../../src/sweep.ts';

const PERIOD = 1_000;

function setUp(count: number) {
  const members = new Set(Array.from({ length: count }, (_, i) => i));
  const visits: number[] = [];
  const sweep = new Sweep(members, PERIOD, (member) => visits.push(member));
  const run = (ms: number, step = 50) => {
    for (let t = 0; t < ms; t += step) sweep.step(step);
  };
  return { members, visits, sweep, run };
}

test('sweep - visits everybody once per period, spread over it', () => {
  const { visits, sweep, run } = setUp(100);
  sweep.step(50);
  assert.equal(visits.length, 5);
  run(950);
  assert.deepEqual(
    visits,
    Array.from({ length: 100 }, (_, i) => i),
  );
  run(1_000);
  assert.equal(visits.length, 200);
});

test('sweep - one member is visited once per period too', () => {
  const { visits, run } = setUp(1);
  run(5_000);
  assert.equal(visits.length, 5);
});

test('sweep - after a long pause everybody is visited once, not once per period missed', () => {
  const { visits, sweep } = setUp(10);
  sweep.step(60_000);
  assert.equal(visits.length, 10);
});

test('sweep - members that come and go do not make others wait longer than a period', () => {
  const { members, visits, run } = setUp(100);
  run(500);
  for (let i = 0; i < 90; i += 1) members.delete(i);
  for (let i = 200; i < 260; i += 1) members.add(i);
  visits.length = 0;
  run(1_000);
  for (const member of members) assert.ok(visits.includes(member), `${member}`);
});

test('sweep - an empty collection costs nothing', () => {
  const { visits, run, members } = setUp(0);
  run(1_000);
  assert.equal(visits.length, 0);
  members.add(1);
  run(1_000);
  assert.deepEqual(visits, [1]);
});
