/** Numbers in the order in which they were last set: as a Map in which each is deleted before it is set. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreshMap } from '../../../src/log/fresh-map.ts';
import { Random } from '../../support/prng.ts';

test('fresh map - the same as a map whose names are deleted before they are set', () => {
  const random = new Random();
  const fresh = new FreshMap();
  const model = new Map<string, number>();
  for (let round = 0; round < 5_000; round += 1) {
    const name = `n${random.below(20)}`;
    const wasThere = model.delete(name);
    if (random.below(4) === 0) assert.equal(fresh.delete(name), wasThere);
    else {
      model.set(name, round);
      assert.equal(fresh.set(name, round), !wasThere);
    }
    assert.deepEqual([...fresh], [...model], `seed ${random.seed}, ${round}`);
    assert.deepEqual([fresh.size, fresh.get(name)], [model.size, model.get(name)]);
  }
});

test('fresh map - what was given last may be deleted while it is gone through', () => {
  const fresh = new FreshMap();
  for (let n = 0; n < 10; n += 1) fresh.set(`n${n}`, n);
  const seen: number[] = [];
  for (const [name, n] of fresh) {
    seen.push(n);
    if (n % 3 > 0) fresh.delete(name);
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([...fresh.keys()].sort(), ['n0', 'n3', 'n6', 'n9']);
});
