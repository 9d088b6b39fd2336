/** Numbers in the order in which they were last set: as a Map in which each is deleted before it is set. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreshMap } from '../../../src/log/fresh-map.ts';
import { Random } from '../../support/prng.ts';

test('fresh map - the same as a map whose names are deleted before they are set', () => {
  const random = new Random();
  const fresh = new FreshMap();
  const model = new Map<string, number>();
  for (let round = 0; round < 8_000; round += 1) {
    const [first, second] = [`c${random.below(4)}`, [null, 'a', 'b', 'c', 'd'][random.below(5)]!];
    const name = `${first} ${second}`;
    const wasThere = model.delete(name);
    if (random.below(3) === 0) assert.equal(fresh.delete(first, second) !== undefined, wasThere);
    else {
      model.set(name, round);
      assert.equal(fresh.set(first, second, round) === undefined, wasThere);
    }
    const told = [...fresh].map((place) => [`${place.first} ${place.second}`, place.n]);
    assert.deepEqual(told, [...model], `seed ${random.seed}, ${round}`);
    const inAnyOrder = [...fresh.inAnyOrder()].sort((a, b) => a.n - b.n);
    assert.deepEqual(inAnyOrder, [...fresh]);
    assert.deepEqual([fresh.size, fresh.get(first, second)?.n], [model.size, model.get(name)]);
  }
});

test('fresh map - a first name counts as a group from its second on, until all of it is gone', () => {
  const fresh = new FreshMap();
  const counts = [];
  for (const second of ['a', 'b', 'c', null]) {
    fresh.set('x', second, 1);
    fresh.set(`lone ${second}`, second, 1);
    counts.push(fresh.groupCount);
  }
  for (const second of ['b', 'a', null, 'c']) {
    fresh.delete('x', second);
    counts.push(fresh.groupCount);
  }
  assert.deepEqual(counts, [0, 1, 1, 1, 1, 1, 1, 0]);
});

test('fresh map - what was given last may be deleted while it is gone through', () => {
  const fresh = new FreshMap();
  for (let n = 0; n < 10; n += 1) fresh.set('x', `n${n}`, n);
  const seen: number[] = [];
  for (const { first, second, n } of fresh) {
    seen.push(n);
    if (n % 3 > 0) fresh.delete(first, second);
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(
    [...fresh].map(({ second }) => second),
    ['n0', 'n3', 'n6', 'n9'],
  );
});
