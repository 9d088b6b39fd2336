import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, Timetable, tickAfter, tickOf } from '../../../src/log/timetable.ts';
import { Random } from '../../support/prng.ts';

interface Member {
  readonly name: string;
  dueAt: number;
}

const memberOf = (name: string): Member => ({ name, dueAt: NEVER });

function takeAll(table: Timetable<Member>, tick: number): string[] {
  const names: string[] = [];
  for (let one = table.take(tick); one !== undefined; one = table.take(tick)) names.push(one.name);
  return names;
}

test('timetable - members come out when their tick has come, and are out then', () => {
  const table = new Timetable<Member>();
  const [a, b, c] = ['a', 'b', 'c'].map(memberOf) as [Member, Member, Member];
  table.set(a, 7);
  table.set(b, 5);
  table.set(c, 7);
  assert.deepEqual(takeAll(table, 4), []);
  assert.deepEqual(takeAll(table, 6), ['b']);
  assert.deepEqual([b.dueAt, table.size], [NEVER, 2]);
  assert.deepEqual(takeAll(table, 100), ['a', 'c']);
  assert.equal(table.size, 0);
});

test('timetable - one is moved, hastened but never held up, removed once', () => {
  const table = new Timetable<Member>();
  const a = memberOf('a');
  table.set(a, 5);
  table.set(a, 9);
  assert.deepEqual(takeAll(table, 8), []);
  table.hasten(a, 20);
  assert.equal(a.dueAt, 9);
  table.hasten(a, 3); // before what was taken already
  assert.deepEqual(takeAll(table, 8), ['a']);
  table.hasten(a, 12);
  table.remove(a);
  table.remove(a);
  assert.deepEqual([takeAll(table, 30), table.size], [[], 0]);
});

test('timetable - tells when it is filled, not when somebody moves or joins', () => {
  const table = new Timetable<Member>();
  let filled = 0;
  table.onFilled = () => {
    filled += 1;
  };
  const a = memberOf('a');
  table.set(a, 1);
  table.set(a, 2);
  table.set(memberOf('b'), 2);
  assert.equal(filled, 1);
  takeAll(table, 2);
  table.set(a, 3);
  assert.equal(filled, 2);
});

test('timetable - after a long sleep it does not pass through every tick slept', () => {
  const table = new Timetable<Member>();
  const a = memberOf('a');
  table.set(a, 1);
  table.remove(a);
  table.set(a, Number.MAX_SAFE_INTEGER - 1); // would take years, one by one
  assert.deepEqual(takeAll(table, Number.MAX_SAFE_INTEGER - 1), ['a']);
});

test('timetable - does as a plain list does, whatever comes', () => {
  const random = new Random(7);
  const table = new Timetable<Member>();
  const members = Array.from({ length: 40 }, (_, i) => memberOf(`${i}`));
  const wanted = new Map<Member, number>();
  for (let now = 0; now < 5_000; now += 1) {
    for (let i = 0; i < 5; i += 1) {
      const member = random.pick(members);
      const tick = now - 3 + random.below(60);
      if (random.below(3) === 0) {
        table.remove(member);
        wanted.delete(member);
      } else {
        table.set(member, tick);
        wanted.set(member, tick);
      }
    }
    // Sometimes only one is taken, as when a slice is over.
    const most = random.below(2) === 0 ? 1 : Number.POSITIVE_INFINITY;
    for (let taken = 0; taken < most; taken += 1) {
      const member = table.take(now);
      const due = [...wanted.values()].filter((tick) => tick <= now);
      if (member === undefined) {
        assert.deepEqual(due, []);
        break;
      }
      assert.equal(wanted.get(member), Math.min(...due));
      wanted.delete(member);
    }
    assert.equal(table.size, wanted.size);
  }
});

test('timetable - a tick is never before its second, nor more than one tick after it', () => {
  assert.deepEqual([tickOf(1.29), tickAfter(1.21), tickAfter(1.3)], [12, 13, 13]);
});
