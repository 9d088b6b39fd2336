import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Clockwork } from '../../../src/hub/clockwork.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import type { CloseReason } from '../../../src/hub/stream.ts';
import { TICK_MS } from '../../../src/log/timetable.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A sink that knows when it was written to. */
class TimedSink extends FakeSink {
  readonly times: number[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    super();
    this.#now = now;
  }

  override write(bytes: Uint8Array): boolean {
    this.times.push(this.#now());
    return super.write(bytes);
  }
}

interface SetUp {
  readonly heartbeatSeconds?: number;
  readonly stallSeconds?: number;
  readonly ttlSeconds?: number;
}

function setUp({ heartbeatSeconds = 15, stallSeconds = 30, ttlSeconds = 60 }: SetUp = {}) {
  const clock = { now: 0.05 };
  const reasons: CloseReason[] = [];
  const hub = newHub({
    notices: true,
    retention: { ttlSeconds },
    onClosed: (_, reason) => reasons.push(reason),
    now: () => clock.now,
  });
  const clockwork = new Clockwork({ hub, heartbeatSeconds, stallSeconds });
  /** Lets time go by as the timer does, to `until`; what is due is done. */
  const run = async (until: number, eachTick: () => void = () => {}) => {
    while (clock.now < until) {
      clock.now += TICK_MS / 1_000;
      eachTick();
      clockwork.step();
      await turn();
    }
  };
  const open = ({ user = 'ann', expiresAt = 1e9, channel = 'c' } = {}) => {
    const sink = new TimedSink(() => clock.now);
    const stream = hub.open(sink, { user, channels: [channel], address: '', expiresAt });
    sink.writes.length = 0; // the opening
    return { sink, stream };
  };
  return { clock, reasons, hub, clockwork, run, open };
}

let lastNumber = 0;
const emit = (hub: Hub, channel = 'c') => {
  lastNumber = Math.max(hub.head, lastNumber) + 1;
  append(hub, { n: lastNumber, channels: [channel], to: undefined, bytes: Buffer.from('a') });
};

const gapsOf = (times: readonly number[]): number[] =>
  times.slice(1).map((time, i) => time - times[i]!);

const isHeartbeat = (text: string): boolean => text === ':\n';

test('expiry - announced once 30 s ahead, ended at exp', async () => {
  const { clock, reasons, run, open } = setUp({ heartbeatSeconds: 300 });
  const { sink } = open({ expiresAt: 100 });
  await run(69.9);
  assert.equal(sink.text, '');
  await run(70.3);
  assert.equal(sink.text, 'event: tidings.expiring\ndata: 30\nid: e-0\n\n:\n');
  await run(99.9);
  assert.deepEqual([sink.writes.length, reasons], [2, []]);
  await run(100.3);
  assert.deepEqual([sink.hasEnded, reasons], [true, ['expired']], `at ${clock.now}`);
});

test('expiry - a token with less than 30 s left is announced at once', async () => {
  const { run, open } = setUp();
  const { sink } = open({ expiresAt: 5 });
  await run(0.3);
  assert.match(sink.text, /tidings\.expiring\ndata: 5\n/);
});

test('expiry - a token that lasts longer than a timer can does not end at once', async () => {
  const { run, open } = setUp();
  const { sink } = open({ expiresAt: 60 * 86_400 });
  await run(60);
  assert.ok(sink.writes.every(isHeartbeat));
  assert.equal(sink.hasEnded, false);
});

test('expiry - a blocked stream is told when it can be told, and ends in time all the same', async () => {
  const { run, open, reasons } = setUp({ stallSeconds: 3_600 });
  const { sink, stream } = open({ expiresAt: 100 });
  sink.isFull = true;
  stream.notice(Buffer.from('x')); // blocks it
  await run(80);
  assert.doesNotMatch(sink.text, /tidings/);
  sink.isFull = false;
  stream.writable();
  await run(81.3);
  assert.match(sink.text, /tidings\.expiring\ndata: (19|20)\n/);
  sink.isFull = true;
  stream.notice(Buffer.from('x'));
  await run(100.3);
  assert.deepEqual(reasons, ['expired']);
});

test('stall - a blocked stream is closed after its time, and kept waiting until then', async () => {
  const { reasons, hub, run, open } = setUp();
  const { sink } = open();
  sink.isFull = true;
  emit(hub);
  await run(29.9);
  assert.deepEqual(reasons, []);
  assert.equal(sink.resumes, 7, 'times in 29.9 s');
  await run(30.4);
  assert.deepEqual([reasons, sink.hasClosed], [['stalled'], true]);
});

test('stall - the shortest is kept to, however far the next heartbeat is', async () => {
  const { reasons, hub, run, open } = setUp({ stallSeconds: 1, heartbeatSeconds: 300 });
  const { sink } = open();
  await run(50);
  sink.isFull = true;
  emit(hub);
  await run(50.9);
  assert.deepEqual(reasons, []);
  await run(51.5);
  assert.deepEqual(reasons, ['stalled']);
});

test('stall - a stream that takes its time is not closed, nor is its timer set more often than need be', async () => {
  const { reasons, hub, run, open } = setUp({ stallSeconds: 6 });
  const { sink, stream } = open();
  for (let second = 1; second < 60; second += 5) {
    sink.isFull = true;
    emit(hub);
    await run(second + 4.5);
    sink.isFull = false;
    stream.writable();
    await run(second + 5);
  }
  assert.deepEqual(reasons, []);
  assert.ok(sink.resumes <= 60 / 4, `${sink.resumes} times`);
});

test('heartbeat - no silence reaches its seconds, and none is ended long before them', async () => {
  for (const heartbeatSeconds of [1, 4, 15, 300]) {
    const { clock, run, open } = setUp({ heartbeatSeconds });
    const opened = Array.from({ length: 40 }, (_, i) => {
      clock.now += i % 3 === 0 ? 0.031 : 0;
      return open();
    });
    await run(heartbeatSeconds * 5);
    for (const { sink } of opened) {
      const gaps = gapsOf([...sink.times.slice(-sink.writes.length), clock.now]);
      assert.ok(sink.writes.length >= 4);
      for (const gap of gaps.slice(0, -1)) {
        assert.ok(gap < heartbeatSeconds * 0.95, `${gap} s with -heartbeat ${heartbeatSeconds}`);
        assert.ok(gap >= heartbeatSeconds * 0.8 - 0.2, `${gap} s, -heartbeat ${heartbeatSeconds}`);
      }
    }
  }
});

test('heartbeat - counts from the last write, whenever that was', async () => {
  for (let at = 1; at < 16; at += 0.7) {
    const { hub, run, open } = setUp({ heartbeatSeconds: 4 });
    const { sink } = open();
    await run(at);
    emit(hub);
    await run(at + 8);
    const event = sink.writes.indexOf('a');
    const silence = sink.times.at(event - sink.writes.length + 2)! - at;
    assert.ok(silence > 3 && silence < 4, `${silence} s after an event at ${at}`);
  }
});

test('heartbeat - after a broadcast to all they are spread again', async () => {
  const { clock, hub, run, open } = setUp({ heartbeatSeconds: 15 });
  const opened = Array.from({ length: 800 }, () => open({ channel: 'all' }));
  await run(20);
  emit(hub, 'all');
  while (opened.some(({ sink }) => !sink.text.includes('a'))) await turn();
  for (const { sink } of opened) sink.times.length = 0;
  await run(34.9);
  const perTick = new Map<number, number>();
  for (const { sink } of opened) {
    assert.equal(sink.times.length, 1, `by ${clock.now}`);
    perTick.set(sink.times[0]!, (perTick.get(sink.times[0]!) ?? 0) + 1);
  }
  assert.ok(Math.max(...perTick.values()) <= 2 * (800 / 16), `${[...perTick.values()]}`);
});

test('heartbeat - a stream that waits for its turn to be brought closer gets its own', async () => {
  const { hub, run } = setUp({ heartbeatSeconds: 4 });
  const sink = new FakeSink();
  const stream = hub.open(sink, { user: 'ann', channels: ['c'], address: '', expiresAt: 1e9 });
  stream.state = 3; // Behind, and the flusher never comes
  const before = sink.writes.length;
  await run(4);
  assert.deepEqual(sink.writes.slice(before), [':\n']);
});

test('idle - a stream is looked at once per heartbeat, and at no other time', async (t) => {
  const { hub, run, open } = setUp({ heartbeatSeconds: 15 });
  open();
  await run(1);
  const set = t.mock.method(hub.flow.due, 'set');
  await run(121);
  assert.ok(set.mock.callCount() <= 10, `${set.mock.callCount()} times in two minutes`);
});

/** Streams open and close so fast that in each tick there are as many new ones as there are streams. */
async function churned(t: TestContext, heartbeatSeconds: number) {
  const all = setUp({ heartbeatSeconds });
  const old = [all.open({ user: 'old' }), all.open({ user: 'old', expiresAt: 40 })];
  const passing = Array.from({ length: 20 }, () => all.open());
  let at = 0;
  const eachTick = () => {
    for (let i = 0; i < 20; i += 1) {
      passing[at]!.stream.aborted();
      passing[at] = all.open();
      at = (at + 1) % passing.length;
    }
  };
  t.diagnostic(`${passing.length} streams live for a tick each`);
  return { ...all, old, eachTick };
}

test('churn - the oldest streams get their heartbeats and end on time while others come and go', async (t) => {
  const { old, run, eachTick, reasons } = await churned(t, 3);
  await run(39.9, eachTick);
  assert.ok(!reasons.includes('expired'));
  await run(40.3, eachTick);
  assert.deepEqual([old[0]!.sink.hasEnded, old[1]!.sink.hasEnded], [false, true]);
  await run(60, eachTick);
  for (const gap of gapsOf(old[0]!.sink.times)) assert.ok(gap < 3, `${gap} s of silence`);
});

test('churn - streams that are gone leave nothing in the timetable', async (t) => {
  const { hub, run, eachTick } = await churned(t, 300);
  await run(20, eachTick);
  assert.equal(hub.flow.due.size, hub.streams.size);
  for (const stream of hub.streams) stream.aborted();
  assert.equal(hub.flow.due.size, 0);
});

test('history - entries go when their time is over, while others come and go', async () => {
  const { hub, run } = setUp({ ttlSeconds: 10 });
  emit(hub, 'old');
  await run(3);
  emit(hub, 'old');
  let i = 0;
  const eachTick = () => emit(hub, `passing-${i++}`);
  await run(9.9, eachTick);
  assert.equal(hub.channels.get('old')?.log.count, 2);
  await run(10.4, eachTick);
  assert.equal(hub.channels.get('old')?.log.count, 1);
  await run(13.4, eachTick);
  assert.equal(hub.channels.has('old'), false);
  assert.equal(hub.aging.size, hub.channels.size);
});

test('history - a channel is looked at once for each entry that is the oldest then, at most', async (t) => {
  const { hub, run } = setUp({ ttlSeconds: 10 });
  const expire = t.mock.method(hub, 'expire');
  await run(100, () => emit(hub, 'busy'));
  assert.ok(expire.mock.callCount() <= 1_000, `${expire.mock.callCount()} times`);
  const before = expire.mock.callCount();
  await run(120);
  assert.deepEqual([hub.aging.size, hub.channels.size], [0, 0]);
  const after = expire.mock.callCount();
  await run(200);
  assert.equal(expire.mock.callCount(), after);
  assert.ok(after - before <= 110);
});

test('slices - what is due for hundreds at once does not hold the loop', async () => {
  const { clock, clockwork, hub, run, open } = setUp();
  const opened = Array.from({ length: 300 }, () => open());
  for (const { sink } of opened) sink.isFull = true;
  emit(hub);
  await run(4);
  for (const { sink } of opened) {
    sink.isFull = false;
    sink.resume = () => {
      sink.resumes += 1;
      const end = performance.now() + 0.5;
      while (performance.now() < end);
    };
  }
  clock.now += 1;
  clockwork.step();
  const done = () => opened.filter(({ sink }) => sink.resumes > 0).length;
  assert.ok(done() > 0 && done() < 10, `${done()} of 300 in the first slice`);
  for (let i = 0; i < 400 && done() < 300; i += 1) await turn();
  assert.equal(done(), 300);
});

test('timer - runs while there are streams or entries, and no longer', async (t) => {
  const { clock, hub, clockwork, open } = setUp({ ttlSeconds: 1 });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => clockwork.stop());
  const step = t.mock.method(clockwork, 'step');
  const pass = (ticks: number) => {
    for (let i = 0; i < ticks; i += 1) {
      clock.now += TICK_MS / 1_000;
      t.mock.timers.tick(TICK_MS);
    }
    const count = step.mock.callCount();
    step.mock.resetCalls();
    return count;
  };
  clockwork.start();
  assert.equal(pass(100), 0, 'nothing is there');
  const { stream } = open();
  assert.equal(pass(100), 100, 'a stream is open');
  stream.aborted();
  assert.ok(pass(100) <= 1, 'it has gone');
  emit(hub);
  await turn();
  assert.ok(pass(100) <= 13, 'an entry lives for a second');
  assert.equal(hub.channels.size, 0);
  open();
  clockwork.stop();
  assert.equal(pass(100), 0, 'stopped');
});
