import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takersOf } from '../../../src/hub/account.ts';
import { isInGap, MAX_GAPS, NO_GAPS, withGap } from '../../../src/hub/gaps.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { MAX_WRITE_BYTES } from '../../../src/log/range.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';

const FOREVER = { channels: ['a'], address: '', expiresAt: Number.POSITIVE_INFINITY };

/** Of the events through `last`, those that ann had. */
const hadOf = (hub: Hub, last: number): number[] =>
  Array.from({ length: last }, (_, i) => i + 1).filter((n) => {
    const question = { ask: 'takers', id: `e-${n}`, channels: ['a'], users: ['ann'] } as const;
    return takersOf(hub, question).length > 0;
  });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('account - what was written before a gap was had, what lies in it was not, nor what comes before the stream', async () => {
  const hub = newHub({ retention: { capacity: 2 } });
  let n = 0;
  const emit = async (count: number) => {
    for (let i = 0; i < count; i += 1) {
      n += 1;
      append(hub, { n, channels: ['a'], to: undefined, bytes: Buffer.from(`<${n}>`) });
      await turn();
    }
  };
  await emit(2);
  const sink = new FakeSink();
  const stream = hub.open(sink, { user: 'ann', ...FOREVER });
  const lag = async () => {
    sink.isFull = true;
    await emit(8);
    sink.isFull = false;
    stream.writable();
    await turn();
  };
  await emit(2); // 3 and 4
  await lag(); // 5 blocks it; of 6 to 12 two are left
  await emit(1); // 13
  await lag(); // 14 blocks it
  const written = [...sink.text.matchAll(/<(\d+)>/g)].map(([, each]) => Number(each));
  assert.ok(
    written.length < n - 2 - 8 && written.includes(3) && written.includes(13),
    `${written}`,
  );
  assert.deepEqual(hadOf(hub, n), written);
  stream.aborted();
  assert.deepEqual(hadOf(hub, n), written, 'and when it is closed');
});

test('account - what may wait in the addon was not had: what a stream refused, and the write before it', async () => {
  const hub = newHub();
  const sink = new FakeSink();
  const stream = hub.open(sink, { user: 'ann', ...FOREVER });
  let n = 0;
  const emit = async (text: string) => {
    n += 1;
    append(hub, { n, channels: ['a'], to: undefined, bytes: Buffer.from(text) });
    await turn();
  };
  const drain = async () => {
    sink.isFull = false;
    stream.writable();
    await turn();
  };
  await emit('1');
  await emit('2');
  assert.deepEqual(hadOf(hub, n), [1, 2]);
  sink.isFull = true;
  await emit('3');
  assert.deepEqual(hadOf(hub, n), [1], 'refused, which tells of the write before');
  await emit('4');
  await drain();
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4]);

  await emit('5');
  sink.isFull = true;
  stream.heartbeat();
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4], 'a heartbeat tells as well');
  await drain();
  await emit('x'.repeat(3 * MAX_WRITE_BYTES));
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4, 5, 6]);

  stream.heartbeat();
  sink.fullAfter = 3;
  await emit('y'.repeat(4 * MAX_WRITE_BYTES));
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4, 5, 6], 'in the middle of a frame');
  sink.fullAfter = Number.POSITIVE_INFINITY;
  await drain();
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4, 5, 6, 7]);
  sink.isFull = true;
  stream.heartbeat();
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4, 5, 6], 'its end may wait');
  stream.aborted();
  assert.deepEqual(hadOf(hub, n), [1, 2, 3, 4, 5, 6], 'and when it is closed');
});

test('account - a replay that is refused at once was not had', async () => {
  const hub = newHub();
  for (const n of [1, 2, 3])
    append(hub, { n, channels: ['a'], to: undefined, bytes: Buffer.from('x') });
  await turn();
  const sink = new FakeSink();
  hub.open(sink, { user: 'ann', ...FOREVER, lastEventId: 'e-1' });
  sink.isFull = true;
  await turn();
  assert.deepEqual(hadOf(hub, 3), []);
});

test('account - of too many gaps the oldest count as one, so that nothing is had that was not', () => {
  let gaps = NO_GAPS;
  for (let i = 1; i <= MAX_GAPS + 2; i += 1) gaps = withGap(gaps, 10 * i, 10 * i + 5);
  assert.equal(gaps.length, 2 * MAX_GAPS);
  const last = 10 * (MAX_GAPS + 2);
  const cases: [number, boolean][] = [
    [10, false],
    [11, true],
    [18, true],
    [28, true],
    [35, true],
    [36, false],
    [last - 2, false],
    [last, false],
    [last + 1, true],
    [last + 5, true],
    [last + 6, false],
  ];
  for (const [n, expected] of cases) assert.equal(isInGap(gaps, n), expected, `${n}`);
});
