/** The lines of an upload: compared with a map, which takes twenty times the memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Done, Upload } from '../../../src/publish/upload.ts';
import { Random } from '../../support/prng.ts';

test('upload - what is remembered of lines is what a map would, in whatever order they come', () => {
  const random = new Random();
  for (let round = 0; round < 30; round += 1) {
    const upload = new Upload();
    const model = new Map<number, Done>();
    let n = 0;
    let line = 0;
    for (let i = 0; i < 400; i += 1) {
      const kind = random.below(10);
      n += kind === 0 ? 1 + random.below(5) : 1;
      line = kind > 1 ? line + 1 : 1 + random.below(3_000);
      if (model.has(line)) continue;
      const done = { fingerprint: (random.below(2 ** 32) - 2 ** 31) | 0, n };
      upload.set(line, done);
      model.set(line, done);
      const asked = random.below(2) === 0 ? line : 1 + random.below(3_000);
      assert.deepEqual(upload.get(asked), model.get(asked), `seed ${random.seed}`);
    }
    for (let asked = 0; asked < 3_100; asked += 1)
      assert.deepEqual(upload.get(asked), model.get(asked), `seed ${random.seed}, line ${asked}`);
    const lines = upload.runs.reduce((sum, [, count]) => sum + count, 0);
    assert.equal(lines, model.size);
    assert.equal(upload.fingerprints.length, model.size);
  }
});

test('upload - a million lines cost four bytes each', () => {
  const upload = new Upload();
  for (let line = 1; line <= 1_000_000; line += 1)
    upload.set(line, { fingerprint: line, n: line + 7 });
  assert.deepEqual(upload.runs, [[1, 1_000_000, 8]]);
  assert.ok(upload.bytes < 4_010_000, `${upload.bytes}`);
  assert.deepEqual(upload.get(999_999), { fingerprint: 999_999, n: 1_000_006 });
});

test('upload - a line whose event is on its way is known, until that fails', () => {
  const upload = new Upload();
  const done = { fingerprint: 1, n: 0, published: Promise.resolve({ id: 'e-1', streams: 0 }) };
  upload.await(3, done);
  assert.equal(upload.get(3), done);
  upload.forget(3);
  assert.equal(upload.get(3), undefined);
  upload.await(3, done);
  upload.set(3, { fingerprint: 1, n: 5 });
  assert.deepEqual(upload.get(3), { fingerprint: 1, n: 5 });
});
