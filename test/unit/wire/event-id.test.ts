import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEventId, parseEventId } from '../../../src/wire/event-id.ts';
import { Random } from '../../support/prng.ts';

test('event id - has its number in decimal, whatever number, and is read back', (t) => {
  const random = new Random();
  t.diagnostic(`seed ${random.seed}`);
  const edges = [
    0,
    1,
    9,
    10,
    999,
    1_000,
    1_001,
    9_999,
    10_000,
    1_000_000,
    2 ** 31,
    999_999_999_999_999,
  ];
  const some = Array.from({ length: 2_000 }, () => random.below(10 ** (1 + random.below(9))));
  for (const n of [...edges, ...some]) {
    const id = formatEventId('e1', n);
    assert.equal(id, `e1-${n}`);
    assert.deepEqual(parseEventId(id), { epoch: 'e1', n });
  }
});
