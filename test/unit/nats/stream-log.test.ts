/** Reads of the stream for streams that come back: how many at a time, shared by whom, and what is missing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../src/logger.ts';
import { beginningOf } from '../../../src/nats/backplane.ts';
import { Complaints } from '../../../src/nats/complaints.ts';
import { isAtLeast } from '../../../src/nats/connect.ts';
import { type Past, type Wanted, withoutHoles } from '../../../src/nats/past-events.ts';
import { Selection } from '../../../src/nats/selection.ts';
import { MAX_READS, StreamLog } from '../../../src/nats/stream-log.ts';
import { eventually } from '../../support/wait.ts';

const logger = createLogger('silent', { write: () => {} });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const eventOf = (n: number, to?: string) => ({ n, to, bytes: Buffer.from(`<${n}>`) });

function setUp({ first = 1 } = {}) {
  const asked: { wanted: Wanted; answer: (past: Past) => void; fail: () => void }[] = [];
  const log = new StreamLog({
    read: (wanted) =>
      new Promise((answer, reject) => {
        asked.push({ wanted, answer, fail: () => reject(new Error('away')) });
      }),
    first: () => first,
    complaints: new Complaints(logger),
    logger,
  });
  const ask = (user: string, after: number, channels = ['a']) =>
    log.read({ user, channels, after, upto: 9 });
  return { log, asked, ask };
}

const past = (through: number, ...events: Past['events'][number][]): Past => ({
  missedThrough: 0,
  events,
  through,
});

test('stream log - those who want the same share a read, and each gets what is its own', async () => {
  const { asked, ask } = setUp();
  const answers = [ask('ann', 0), ask('bob', 0), ask('ann', 1)];
  await turn();
  assert.deepEqual(
    asked.map(({ wanted }) => wanted.after),
    [0, 1],
  );
  asked[0]!.answer(past(9, eventOf(1, 'ann'), eventOf(2), eventOf(3, 'bob')));
  asked[1]!.answer(past(9));
  const numbers = (await Promise.all(answers)).map(({ frames }) => frames.map(({ n }) => n));
  assert.deepEqual(numbers, [[1, 2], [2, 3], []]);
});

test('stream log - so many reads at a time, the others in their order', async () => {
  const { asked, ask } = setUp();
  const all = Array.from({ length: MAX_READS + 3 }, (_, i) => ask('ann', i));
  await turn();
  assert.equal(asked.length, MAX_READS);
  for (let i = 0; i < all.length; i += 1) {
    await eventually(() => asked.length > i);
    asked[i]!.answer(past(9));
    await all[i];
    await turn();
    assert.equal(asked.length, Math.min(all.length, MAX_READS + i + 1));
  }
  void ask('ann', 100);
  await turn();
  assert.equal(asked.length, MAX_READS + 4, 'all places are free again');
});

test('stream log - a read that fails is made again, until the node ends', async () => {
  const { log, asked, ask } = setUp();
  const [one, two] = [ask('ann', 0), ask('ann', 1)];
  await turn();
  asked[0]!.fail();
  await eventually(() => asked.length === 3);
  asked[2]!.answer(past(9, eventOf(5)));
  assert.deepEqual(
    (await one).frames.map(({ n }) => n),
    [5],
  );
  log.close();
  asked[1]!.fail();
  await assert.rejects(two);
});

test('stream log - what the stream has dropped altogether is told without a question', async () => {
  const newest = setUp({ first: 9 });
  void newest.ask('ann', 3);
  await turn();
  assert.equal(newest.asked.length, 1, 'it still has the last of them');
  const { asked, ask } = setUp({ first: 10 });
  assert.deepEqual(await ask('ann', 3), { missedThrough: 9, frames: [], through: 9 });
  assert.equal(asked.length, 0);
});

const HOLES: [
  what: string,
  first: number,
  holes: number[],
  expected: [number, number[], number],
][] = [
  ['nothing is missing', 1, [], [2, [3, 5, 8], 9]],
  ['what is missing lies before', 3, [2], [2, [3, 5, 8], 9]],
  ['the beginning is missing', 5, [], [4, [5, 8], 9]],
  ['all of it is missing', 20, [], [9, [], 9]],
  ['a hole behind some of it', 1, [6, 7], [2, [3, 5], 5]],
  ['a hole right at the beginning', 1, [3, 4, 7], [4, [5], 6]],
  ['a hole in front of what is left', 4, [4, 5], [5, [8], 9]],
  ['a hole behind all of it', 1, [10], [2, [3, 5, 8], 9]],
  ['all of it, and more than was asked for', 9, [9, 10], [9, [], 9]],
];

for (const [what, first, holes, [missedThrough, numbers, through]] of HOLES)
  test(`stream log - ${what}`, () => {
    const found = { events: [3, 5, 8].map((n) => eventOf(n)), through: 9 };
    const wanted = { channels: ['a'], after: 2, upto: 9 };
    const told = withoutHoles(found, { ...wanted, first, holes });
    assert.deepEqual(
      [told.missedThrough, told.events.map(({ n }) => n), told.through],
      [missedThrough, numbers, through],
    );
  });

test('stream log - channels as subjects, none of which is part of another', () => {
  const selection = new Selection(['a', 'o/1', 'o/*', 'o/x/*', 'p/q/*', 'p/1']);
  assert.deepEqual(selection.subjects, [
    'tidings.e.c.a',
    'tidings.e.c.p.1',
    'tidings.e.c.o.>',
    'tidings.e.c.p.q.>',
    'tidings.e.m',
  ]);
  const there = [['a'], ['z', 'o/'], ['o/x/y'], ['p/q/r/s']].map((names) => selection.has(names));
  assert.deepEqual(there, [true, true, true, true]);
  assert.deepEqual(
    [['b'], ['o'], ['p/q'], ['p/2', 'aa']].map((names) => selection.has(names)),
    [false, false, false, false],
  );
});

test('stream log - a start reads the newest events of a stream, all of a small one', () => {
  const stream = { created: 1, deletedCount: 0 };
  assert.equal(beginningOf({ ...stream, first: 1, last: 0, bytes: 0 }), 0);
  assert.equal(beginningOf({ ...stream, first: 8, last: 7, bytes: 0 }), 7);
  assert.equal(beginningOf({ ...stream, first: 5, last: 104, bytes: 20_000 }), 4);
  assert.equal(beginningOf({ ...stream, first: 1, last: 1_000_000, bytes: 1e8 }), 950_000);
  assert.equal(beginningOf({ ...stream, first: 1, last: 1_000, bytes: 67_108_864 * 10 }), 900);
});

test('stream log - versions are compared by number', () => {
  const versions = ['2.9.10', '2.10.0', '2.10.27', '2.15.2', '3.0.0', '', 'x'];
  assert.deepEqual(
    versions.filter((version) => isAtLeast(version, [2, 10])),
    ['2.10.0', '2.10.27', '2.15.2', '3.0.0'],
  );
});
