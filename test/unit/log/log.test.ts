import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelLog } from '../../../src/log/channel-log.ts';
import { ENTRY_OVERHEAD_BYTES, Entry } from '../../../src/log/entry.ts';
import { cutFrame, MAX_WRITE_BYTES, Range } from '../../../src/log/range.ts';
import { entryOf as entry } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const logOf = (...entries: ReturnType<typeof entry>[]): ChannelLog => {
  const log = new ChannelLog();
  for (const one of entries) log.append(one);
  return log;
};
const textFor = (range: Range, user: string): string =>
  range
    .piecesFor(user)
    .map((piece) => piece.bytes.toString())
    .join(' ');

test('log - a reader gets what is behind its number', () => {
  const log = logOf(entry(3), entry(7), entry(8));
  const after = (n: number) => log.after(n).map((one) => one.n);
  assert.deepEqual(after(0), [3, 7, 8]);
  assert.deepEqual(after(3), [7, 8]);
  assert.deepEqual(after(5), [7, 8]);
  assert.deepEqual(after(8), []);
});

test('log - remembers through which number it has evicted', () => {
  const log = logOf(entry(3), entry(7));
  log.evict();
  assert.equal(log.evictedThrough, 3);
  assert.equal(log.oldest?.n, 7);
  log.evict();
  log.evict(); // nothing left: no effect
  assert.deepEqual([log.count, log.bytes, log.evictedThrough], [0, 0, 7]);
});

test('log - what it has to take for evicted is not lowered by an older entry that goes', () => {
  const log = logOf(entry(3), entry(4, 'ann'));
  log.assumeEvictedThrough(9);
  log.evict();
  log.evict();
  assert.deepEqual([log.evictedThrough, log.evictedForEveryone], [9, 9]);
});

test('log - agrees with a plain array under random appends and evictions, while it grows and while it empties', () => {
  const random = new Random();
  const log = new ChannelLog();
  let model: number[] = [];
  const seed = `seed ${random.seed}`;
  for (let n = 1; n < 6_000; n += 1) {
    log.append(entry(n));
    model.push(n);
    const isGrowing = n % 1_200 < 600;
    for (let k = random.below(isGrowing ? 2 : 4); k > 0; k -= 1) {
      const one = random.below(3) === 0 ? model[random.below(model.length)] : model[0];
      const gone = one === model[0] ? log.evict() : log.evictNumber(one!);
      assert.equal(gone?.n, one, seed);
      model = model.filter((m) => m !== one);
    }
    assert.equal(log.evictNumber(n + 1), undefined);
    const from = n - random.below(20);
    assert.deepEqual(
      log.after(from).map((one) => one.n),
      model.filter((m) => m > from),
      seed,
    );
    const seen = [log.count, log.oldest?.n, log.newest?.n];
    assert.deepEqual(seen, [model.length, model[0], model.at(-1)], seed);
  }
});

test('log - counts bytes with their overhead', () => {
  assert.equal(logOf(entry(1, undefined, 'abc')).bytes, 3 + ENTRY_OVERHEAD_BYTES);
});

test('log - counts the names of recipients', () => {
  const names = Array.from({ length: 100 }, (_, i) => `user-${i}`);
  const one = logOf(entry(1, 'ann')).bytes;
  assert.ok(logOf(entry(1, new Set(names))).bytes > one + 100 * 80);
});

test('range - everyone reads the same Buffer, a target its own', () => {
  const log = logOf(entry(1), entry(2, 'ann'), entry(3), entry(4, new Set(['ann', 'bob'])));
  const range = new Range([log], 0, 4);
  assert.equal(textFor(range, 'ann'), '1234');
  assert.equal(textFor(range, 'bob'), '134');
  assert.equal(textFor(range, 'eve'), '13');
  assert.equal(range.piecesFor('eve')[0]!.bytes, range.piecesFor('mallory')[0]!.bytes);
  assert.equal(range.piecesFor('ann')[0]!.bytes, range.piecesFor('ann')[0]!.bytes);
});

test('range - a single frame is written from the log itself, without a copy', () => {
  const log = logOf(entry(1));
  assert.equal(new Range([log], 0, 1).piecesFor('x')[0]!.bytes, log.oldest!.bytes);
});

test('range - several channels merge in the order of numbers, an event on two of them comes once', () => {
  const both = entry(2);
  const range = new Range([logOf(entry(1), both, entry(5)), logOf(both, entry(3))], 0, 5);
  assert.equal(textFor(range, 'x'), '1235');
  assert.equal(range.piecesFor('x').at(-1)!.through, 5);
});

test('range - writes end with a frame while frames fit, and never pass the limit', () => {
  const log = new ChannelLog();
  for (let n = 1; n <= 100; n += 1) log.append(entry(n, undefined, 'x'.repeat(500)));
  const pieces = new Range([log], 0, 100).piecesFor('x');
  assert.deepEqual(
    pieces.map((piece) => piece.bytes.length % 500),
    pieces.map(() => 0),
  );
  assert.ok(
    pieces.every((piece) => piece.bytes.length <= MAX_WRITE_BYTES && piece.rest === undefined),
  );
  assert.equal(pieces.at(-1)!.through, 100);
  assert.equal(pieces[0]!.through, Math.floor(MAX_WRITE_BYTES / 500));
});

test('range - a frame above the limit is cut, and each cut knows what is left', () => {
  const frame = Buffer.alloc(MAX_WRITE_BYTES * 2 + 1, 'y');
  const log = logOf(entry(1), new Entry({ n: 2, to: undefined, bytes: frame }, 2), entry(3));
  const pieces = new Range([log], 0, 3).piecesFor('x');
  assert.deepEqual(
    pieces.map((piece) => piece.bytes.length),
    [1, MAX_WRITE_BYTES, MAX_WRITE_BYTES, 1, 1],
  );
  assert.deepEqual(
    pieces.map((piece) => piece.rest?.bytes.length),
    [undefined, MAX_WRITE_BYTES + 1, 1, undefined, undefined],
  );
  assert.deepEqual(
    pieces.map((piece) => piece.through),
    [1, 2, 2, 2, 3],
  );
  const whole = { bytes: Buffer.alloc(MAX_WRITE_BYTES), entry: entry(1) };
  assert.equal(cutFrame(whole, 1).length, 1);
});
