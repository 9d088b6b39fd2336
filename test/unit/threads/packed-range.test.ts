import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeeperRange } from '../../../src/hub/deeper-log.ts';
import { MAX_WRITE_BYTES } from '../../../src/log/range.ts';
import { pack, unpack } from '../../../src/threads/packed-range.ts';

const rangeOf = (sizes: readonly number[]): DeeperRange => ({
  missedThrough: 3,
  through: 90,
  frames: sizes.map((size, i) => ({ n: 4 + 2 * i, bytes: Buffer.alloc(size, `${i}`) })),
});

const textsOf = ({ frames }: DeeperRange) =>
  frames.map(({ n, bytes }) => [n, Buffer.from(bytes).toString()]);

for (const sizes of [[], [1], [5, 0, 7, 20_000, 3]])
  test(`packed range - frames of ${sizes.join(', ') || 'nothing'} arrive as they were, in memory handed over`, () => {
    const range = rangeOf(sizes);
    const packed = pack(range);
    const there = structuredClone(packed, { transfer: [packed.bytes.buffer] });
    assert.equal(packed.bytes.length, 0, 'nothing is left here');
    const { missedThrough, through } = unpack(there);
    assert.deepEqual([missedThrough, through], [3, 90]);
    assert.deepEqual(textsOf(unpack(there)), textsOf(range));
  });

test('packed range - what a stream can be stuck inside holds no more memory than itself', () => {
  const large = MAX_WRITE_BYTES + 1;
  const { frames } = unpack(pack(rangeOf([100, large, 100])));
  assert.equal(frames[1]!.bytes.buffer.byteLength, large);
});
