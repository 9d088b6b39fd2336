/** A prefix above very many channels: what is below it is taken over in pieces, and only when a stream needs it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { STEP_ITEMS } from '../../../src/hub/filling.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { StreamState } from '../../../src/hub/stream.ts';
import { ChannelLog } from '../../../src/log/channel-log.ts';
import { Evictions } from '../../../src/log/evictions.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';

const CHANNELS = 3_000;
const CAPACITY = 2_000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function emit(hub: Hub, channel: string, to?: string): void {
  const n = hub.head + 1;
  append(hub, { n, channels: [channel], to, bytes: Buffer.from(`<${n}>`) });
}

function open(hub: Hub, channels: string[], lastEventId?: string) {
  const sink = new FakeSink();
  const options = { user: 'ann', channels, address: '', expiresAt: 1e9, lastEventId };
  const stream = hub.open(sink, options);
  const numbers = () => [...sink.text.matchAll(/<(\d+)>/g)].map((match) => Number(match[1]));
  return { sink, stream, numbers };
}

/** An event in each of many channels. */
async function filledHub(to?: string): Promise<Hub> {
  const hub = newHub({ notices: true, retention: { capacity: CAPACITY } });
  for (let i = 0; i < CHANNELS; i += 1) emit(hub, `orders/${i}`, to);
  await turn();
  return hub;
}

interface Watch {
  /** Entries and facts that one turn has looked at, at most. */
  readonly most: number;
  turn(): Promise<void>;
  /** Until a prefix has all that it lacked, and the streams on it have got it. */
  filled(hub: Hub, prefix: string): Promise<void>;
}

/** A clock on which a slice is over as soon as the time is asked for. */
function watch(t: TestContext): Watch {
  let clock = 0;
  let looked = 0;
  let most = 0;
  t.mock.method(performance, 'now', () => {
    clock += 10;
    return clock;
  });
  const { after } = ChannelLog.prototype;
  t.mock.method(ChannelLog.prototype, 'after', function (this: ChannelLog, n: number, max: number) {
    const entries = after.call(this, n, max);
    looked += entries.length;
    return entries;
  });
  const { addFor } = Evictions.prototype;
  t.mock.method(Evictions.prototype, 'addFor', function (this: Evictions, ...args: never[]) {
    looked += 1;
    return addFor.apply(this, args as never);
  });
  const next = async () => {
    most = Math.max(most, looked);
    looked = 0;
    await turn();
  };
  return {
    get most() {
      return Math.max(most, looked);
    },
    turn: next,
    filled: async (hub, prefix) => {
      for (let i = 0; hub.channels.get(prefix)!.unfilledThrough > 0; i += 1) {
        assert.ok(i < 2_000, 'it is never filled');
        await next();
      }
      for (let i = 0; i < 30; i += 1) await next();
    },
  };
}

test('fills - 3,000 channels below a prefix are looked at a few a turn, and others are served meanwhile', async (t) => {
  const hub = await filledHub();
  const clock = watch(t);
  const back = open(hub, ['orders/*'], 'e-1500');
  const fresh = open(hub, ['orders/*']);
  for (let i = 0; i < 3; i += 1) await clock.turn();
  assert.equal(back.stream.state, StreamState.Asking);
  emit(hub, 'orders/new');
  for (let i = 0; i < 3; i += 1) await clock.turn();
  assert.deepEqual(fresh.numbers(), [CHANNELS + 1], 'live at once');
  await clock.filled(hub, 'orders/*');
  const expected = Array.from({ length: CHANNELS - 1_500 }, (_, i) => 1_501 + i);
  assert.deepEqual(back.numbers(), [...expected, CHANNELS + 1]);
  assert.ok(!back.sink.text.includes('tidings.gap'), 'nothing is missing');
  assertRetained(hub);
});

test('fills - no turn looks at more than a step', async (t) => {
  const hub = await filledHub();
  const clock = watch(t);
  open(hub, ['orders/*'], 'e-2999');
  await clock.filled(hub, 'orders/*');
  assert.equal(hub.channels.get('orders/*')?.log.count, CAPACITY);
  assert.ok(clock.most <= 2 * STEP_ITEMS, `${clock.most} in one turn`);
});

test('fills - what has no place in the history of the prefix is told as a gap', async (t) => {
  const hub = await filledHub();
  const clock = watch(t);
  const back = open(hub, ['orders/*'], 'e-900');
  assert.match(back.sink.text, /tidings\.open\n.*\nid: e-900\n/, 'nobody knows yet');
  await clock.filled(hub, 'orders/*');
  assert.match(back.sink.text, /"after":"e-900","resumed":"e-1000","reason":"evicted"/);
  assert.deepEqual([back.numbers().length, back.numbers()[0]], [CAPACITY, 1_001]);
});

test('fills - a stream that needs nothing from before looks at nothing', async (t) => {
  const hub = await filledHub();
  const clock = watch(t);
  open(hub, ['orders/*']);
  open(hub, ['orders/*'], `e-${CHANNELS}`);
  for (let i = 0; i < 20; i += 1) await clock.turn();
  assert.equal(clock.most, 0);
  assert.equal(hub.channels.get('orders/*')?.log.count, 0);
});

test('fills - a stream that waits gets heartbeats, and goes on behind one that was refused', async (t) => {
  const hub = await filledHub();
  const clock = watch(t);
  const back = open(hub, ['orders/*'], 'e-2000');
  for (let i = 0; i < 3; i += 1) await clock.turn();
  hub.beat(back.stream);
  assert.ok(back.sink.text.endsWith('\n:\n'), 'a heartbeat');
  back.sink.isFull = true;
  hub.beat(back.stream);
  assert.equal(back.stream.state, StreamState.Blocked);
  await clock.filled(hub, 'orders/*');
  back.sink.isFull = false;
  back.stream.writable();
  for (let i = 0; i < 30; i += 1) await clock.turn();
  assert.equal(back.numbers().length, CHANNELS - 2_000);
});

test('fills - the history of threads answers when the prefixes are filled, though nobody is on them', async (t) => {
  const hub = await filledHub();
  for (let i = 0; i < 200; i += 1) emit(hub, `sales/${i}`);
  await turn();
  const clock = watch(t);
  const question = { user: 'ann', channels: ['orders/*', 'sales/*'], after: 2_900, upto: 9_999 };
  let answer: readonly number[] | undefined;
  void Promise.resolve(hub.read(question)).then(({ frames }) => {
    answer = frames.map(({ n }) => n);
  });
  for (let turns = 0; turns < 2_000 && answer === undefined; turns += 1) await clock.turn();
  assert.deepEqual(
    answer,
    Array.from({ length: 300 }, (_, i) => 2_901 + i),
  );
});

// Between the coming of a prefix and its filling the channels below it evict what it lacks, and forget what they knew.
test('fills - what goes below a prefix before it is filled is not forgotten, nor taken for more', async () => {
  const hub = newHub({ notices: true, retention: { capacity: 1 } });
  emit(hub, 'a/1', 'ann');
  emit(hub, 'a/2', 'bob');
  open(hub, ['a/*']);
  await turn();
  emit(hub, 'a/1', 'ann');
  emit(hub, 'a/2', 'bob');
  emit(hub, 'a/2', 'bob');
  await turn();
  const toldOfGap = async (id: string) => {
    const { sink, stream } = open(hub, ['a/*'], id);
    await turn();
    await turn();
    stream.aborted();
    return sink.text.includes('tidings.gap');
  };
  assert.equal(await toldOfGap('e-0'), true, 'number 1 is gone');
  assert.equal(
    await toldOfGap('e-2'),
    true,
    'number 3 is gone: the prefix had it and has number 5',
  );
  assert.equal(await toldOfGap('e-3'), false);
});

test('fills - what goes while it is on its way into the prefix stays gone', async (t) => {
  const hub = await filledHub('ann');
  const clock = watch(t);
  const back = open(hub, ['orders/*'], 'e-2990');
  // They are all found when the first have come in.
  for (let i = 0; hub.channels.get('orders/*')!.log.count === 0; i += 1) {
    assert.ok(i < 2_000, 'nothing comes in');
    await clock.turn();
  }
  for (const channel of hub.channels.values()) hub.retention.expire(channel, 1e9);
  await clock.filled(hub, 'orders/*');
  assert.equal(hub.channels.get('orders/*')!.log.count, 0);
  assert.match(back.sink.text, /"after":"e-2990","resumed":"e-3000","reason":"evicted"/);
  assertRetained(hub);
});
