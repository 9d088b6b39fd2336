import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { drain } from '../../../src/front/drain.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { newHub } from '../../support/hub.ts';

const WINDOW_MS = 10_000;
const STEP_MS = 50;

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp(t: TestContext, count: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = { ms: 0 };
  const ended: number[] = [];
  const hub = newHub({
    onClosed: (_, reason) => {
      if (reason === 'drain') ended.push(clock.ms);
    },
  });
  const sinks = Array.from({ length: count }, () => new FakeSink());
  const streams = sinks.map((sink, i) =>
    hub.open(sink, { user: `u${i}`, channels: ['c'], address: '', expiresAt: 1e9 }),
  );
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      clock.ms += STEP_MS;
      t.mock.timers.tick(STEP_MS);
      await turn();
    }
  };
  /** Work comes in slices of real time: on a busy machine some is left after the window. */
  const over = async (drained: Promise<void>) => {
    let isOver = false;
    void drained.then(() => (isOver = true));
    for (let i = 0; i < 1_000 && !isOver; i += 1) await pass(STEP_MS);
    assert.ok(isOver, 'the drain is over');
  };
  const options = { windowMs: WINDOW_MS, random: () => 0.5, now: () => clock.ms };
  return { hub, sinks, streams, ended, pass, over, options };
}

test('drain - all end within the window, at an even rate, each with its own wait', async (t) => {
  const { hub, sinks, ended, pass, over, options } = setUp(t, 1_000);
  const left = drain(hub, options);
  await pass(WINDOW_MS);
  await over(left);
  assert.equal(ended.length, 1_000);
  for (let from = 0; from < WINDOW_MS; from += 1_000) {
    const within = ended.filter((ms) => ms > from && ms <= from + 1_000).length;
    assert.ok(within >= 95 && within <= 105, `${within} in the second after ${from}`);
  }
  assert.ok(sinks.every(({ text }) => text.endsWith('retry: 11500\n:\n')));
});

test('drain - streams that leave meanwhile do not hasten the others', async (t) => {
  const { hub, streams, ended, pass, over, options } = setUp(t, 1_000);
  const left = drain(hub, options);
  await pass(2_000);
  for (const [i, stream] of streams.entries()) if (i % 2 === 1) stream.aborted();
  ended.length = 0;
  await pass(8_000);
  await over(left);
  assert.equal(ended.length, 400);
  for (let from = 2_000; from < WINDOW_MS; from += 1_000) {
    const within = ended.filter((ms) => ms > from && ms <= from + 1_000).length;
    assert.ok(within >= 45 && within <= 55, `${within} in the second after ${from}`);
  }
});

test('drain - is over when nobody is left, whatever the window', async (t) => {
  const { hub, streams, pass, over, options } = setUp(t, 10);
  const left = drain(hub, options);
  await pass(100);
  for (const stream of streams) stream.aborted();
  await over(left);
});

test('drain - a window of nothing ends all at once', async (t) => {
  const { hub, sinks, over, options } = setUp(t, 1_000);
  const left = drain(hub, { ...options, windowMs: 0 });
  for (let i = 0; i < 1_000 && hub.streams.size > 0; i += 1) await turn();
  assert.ok(sinks.every(({ hasEnded }) => hasEnded));
  await over(left);
});
