import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takersOf } from '../../../src/hub/account.ts';
import { isInGap, MAX_GAPS, NO_GAPS, withGap } from '../../../src/hub/gaps.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';

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
  const rest = { channels: ['a'], address: '', expiresAt: Number.POSITIVE_INFINITY };
  const stream = hub.open(sink, { user: 'ann', ...rest });
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
  const had = () =>
    Array.from({ length: n }, (_, i) => i + 1).filter(
      (each) =>
        takersOf(hub, { ask: 'takers', id: `e-${each}`, channels: ['a'], users: ['ann'] }).length >
        0,
    );
  const written = [...sink.text.matchAll(/<(\d+)>/g)].map(([, each]) => Number(each));
  assert.ok(
    written.length < n - 2 - 8 && written.includes(3) && written.includes(13),
    `${written}`,
  );
  assert.deepEqual(had(), written);
  stream.aborted();
  assert.deepEqual(had(), written, 'and when it is closed');
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
