import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channel } from '../../../src/hub/channel.ts';
import type { Member } from '../../../src/hub/members.ts';
import {
  CHANNEL_OVERHEAD_BYTES,
  ENTRY_OVERHEAD_BYTES,
  Entry,
  PLACE_BYTES,
} from '../../../src/log/entry.ts';
import { Evictions } from '../../../src/log/evictions.ts';
import { Retention } from '../../../src/log/retention.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append as appendTo, assertRetained, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const KB = 1_024;

function setUp(limits: { capacity?: number; ttlSeconds?: number; budgetBytes?: number }) {
  const forgotten: string[] = [];
  const retention = new Retention<Channel<Member>>(
    { capacity: 1_000, ttlSeconds: 60, budgetBytes: 1_000 * KB, ...limits },
    new Evictions(100_000, () => false),
    { forget: (channel) => forgotten.push(channel.name), above: () => [], evicting: () => {} },
  );
  let n = 0;
  const entry = (bytes: number, to?: string, time = 0) => {
    n += 1;
    return new Entry({ n, to, bytes: Buffer.alloc(bytes) }, time);
  };
  const append = (to: Channel<Member>, bytes: number, { time = 0, flushed = Infinity } = {}) => {
    const needed = bytes + ENTRY_OVERHEAD_BYTES + CHANNEL_OVERHEAD_BYTES;
    assert.ok(retention.makeRoom(needed, flushed));
    retention.append(to, entry(bytes, undefined, time), flushed);
  };
  return { retention, append, entry, forgotten };
}

const channel = (name: string) => new Channel<Member>(name);

test('retention - keeps so many entries per channel, but none that is still to be flushed', () => {
  const { retention, append } = setUp({ capacity: 3 });
  const c = channel('c');
  for (let i = 0; i < 10; i += 1) append(c, 10, { flushed: 2 });
  assert.deepEqual([c.log.oldest?.n, c.log.count], [3, 8]);
  retention.trim(c, 10);
  assert.deepEqual([c.log.oldest?.n, c.log.count], [8, 3]);
});

test('retention - keeps entries for so long, then forgets the channel', () => {
  const { retention, append, forgotten } = setUp({ ttlSeconds: 60 });
  const c = channel('c');
  append(c, 10, { time: 100 });
  append(c, 10, { time: 150 });
  retention.expire(c, 161);
  assert.equal(c.log.oldest?.n, 2);
  assert.deepEqual(forgotten, []);
  retention.expire(c, 211);
  assert.deepEqual([c.log.count, forgotten, retention.bytes], [0, ['c'], 0]);
});

test('retention - a channel with streams is not forgotten', () => {
  const { retention, append, forgotten } = setUp({});
  const c = channel('c');
  c.add({ user: 'ann' });
  append(c, 10);
  retention.expire(c, 100);
  assert.deepEqual([c.log.count, forgotten, retention.bytes], [0, [], 0]);
});

test('retention - over the budget the largest channel gives way first', () => {
  const { retention, append } = setUp({ budgetBytes: 100 * KB });
  const large = channel('large');
  const small = channel('small');
  append(small, 5 * KB);
  for (let i = 0; i < 30; i += 1) append(large, 5 * KB);
  assert.equal(small.log.count, 1);
  assert.ok(large.log.count > 10 && large.log.count < 20, `${large.log.count}`);
  assert.ok(retention.bytes <= 100 * KB);
});

test('retention - names alone cannot fill memory', () => {
  const { retention, append, forgotten } = setUp({ budgetBytes: 100 * KB });
  for (let i = 0; i < 1_000; i += 1) append(channel(`c${i}`), 10);
  assert.ok(retention.bytes <= 100 * KB);
  assert.ok(forgotten.length > 900);
});

test('retention - what a flush still needs is not evicted', () => {
  const { retention, append } = setUp({ budgetBytes: 12 * KB });
  const c = channel('c');
  for (let i = 0; i < 4; i += 1) append(c, KB);
  assert.equal(retention.makeRoom(9 * KB, 2), false, 'only the first two may go');
  assert.deepEqual([c.log.oldest?.n, c.log.count], [3, 2]);
});

test('retention - channels that cannot give way do not hide those that can', () => {
  const { retention, append } = setUp({ budgetBytes: 10_000 * KB });
  for (let i = 0; i < 3; i += 1) append(channel(`old ${i}`), KB);
  for (let i = 0; i < 3_000; i += 1) append(channel(`new ${i}`), KB);
  const over = 10_000 * KB - retention.bytes + 1;
  assert.equal(retention.makeRoom(over, 3), true, 'the three old ones are found among 3,000');
});

test('retention - a prefix gives way with the channels below it, not before them', () => {
  const hub = newHub({ retention: { budgetBytes: 600 * KB } });
  hub.open(new FakeSink(), { user: 'ann', channels: ['a/*'], address: '', expiresAt: 3_600 });
  let n = 0;
  const emit = (channel: string) => {
    n += 1;
    appendTo(hub, { n, channels: [channel], to: 'bob', bytes: Buffer.alloc(2 * KB) });
  };
  for (let i = 0; i < 100; i += 1) emit(`a/${i}`);
  const before = hub.retainedBytes;
  while (hub.retention.evicted.memory === 0) emit('a/large');
  assert.ok(hub.retainedBytes < before + 350 * KB);
  const held = (name: string) => hub.channels.get(name)?.log.count ?? 0;
  assert.deepEqual([held('a/0'), held('a/99')], [1, 1], 'the largest gave way');
  assert.equal(hub.channels.get('a/large')?.log.oldest?.n, 102, 'by one');
  const below = [...hub.channels.values()].filter(({ isPrefix }) => !isPrefix);
  const all = below.flatMap(({ log }) => log.after(0)).sort((a, b) => a.n - b.n);
  assert.deepEqual(hub.channels.get('a/*')?.log.after(0), all, 'the prefix holds what they hold');
  assertRetained(hub);
});

test('retention - what a prefix holds is never more than what the channels below it hold', () => {
  const hub = newHub({ retention: { budgetBytes: 100 * KB } });
  hub.open(new FakeSink(), { user: 'ann', channels: ['a/*'], address: '', expiresAt: 3_600 });
  const random = new Random();
  for (let n = 1; n < 3_000; n += 1) {
    const bytes = Buffer.alloc(random.below(2 * KB));
    appendTo(hub, { n, channels: [`a/${random.below(30)}`], to: 'bob', bytes });
    const below = new Set<Entry>();
    for (const { log, isPrefix } of hub.channels.values())
      if (!isPrefix) for (const entry of log.after(0)) below.add(entry);
    for (const entry of hub.channels.get('a/*')!.log.after(0))
      assert.ok(below.has(entry), `seed ${random.seed}, ${n}`);
  }
  assertRetained(hub);
});

test('retention - a prefix that nobody is on any more goes with the last entry below it', () => {
  const hub = newHub({ retention: { budgetBytes: 100 * KB } });
  const options = { user: 'ann', channels: ['a/*'], address: '', expiresAt: 3_600 };
  const stream = hub.open(new FakeSink(), options);
  let n = 0;
  const emit = (channel: string, bytes: number) => {
    n += 1;
    appendTo(hub, { n, channels: [channel], to: 'bob', bytes: Buffer.alloc(bytes) });
  };
  for (let i = 0; i < 2; i += 1) emit('a/1', 40 * KB);
  stream.aborted();
  assert.equal(hub.channels.get('a/*')?.log.count, 2);
  while (hub.retention.evicted.memory < 2) emit(`z${n}`, KB);
  for (let i = 0; hub.channels.has('a/1') && i < 100; i += 1) emit(`z${n}`, KB);
  assert.deepEqual([hub.channels.has('a/1'), hub.channels.has('a/*')], [false, false]);
  assertRetained(hub);
});

test('retention - an entry counts once however many channels and readers keep it, and until the last lets go', () => {
  const { retention, entry } = setUp({ capacity: 1 });
  const [a, b] = [channel('a'), channel('b')];
  const shared = entry(1_000);
  retention.append(a!, shared, 0);
  retention.append(b!, shared, 0);
  const alone = 1_000 + ENTRY_OVERHEAD_BYTES;
  assert.equal(retention.bytes, alone + 2 * CHANNEL_OVERHEAD_BYTES + PLACE_BYTES);
  retention.hold(shared);
  retention.hold(shared);
  assert.equal(retention.bytes, alone + 2 * CHANNEL_OVERHEAD_BYTES + PLACE_BYTES);
  retention.expire(a!, 100);
  retention.expire(b!, 100);
  assert.equal(retention.bytes, alone);
  retention.release(shared);
  assert.equal(retention.bytes, alone);
  retention.release(shared);
  assert.equal(retention.bytes, 0);
});

test('retention - channels that come and go with targeted events leave nothing behind', () => {
  const clock = { now: 0 };
  const hub = newHub({
    retention: { ttlSeconds: 1, budgetBytes: 1_000 * KB },
    now: () => clock.now,
  });
  for (let n = 1; n <= 2_000; n += 1) {
    appendTo(hub, { n, channels: [`c${n}`], to: `u${n}`, bytes: Buffer.from('x') });
    clock.now += 2;
    for (const one of [...hub.channels.values()]) hub.expire(one);
  }
  assert.deepEqual([hub.retainedBytes, hub.channels.size], [0, 0]);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// Two readers are stuck in the middle of a large frame, a third has room; six small events are retained.
async function crowded() {
  const hub = newHub({ retention: { budgetBytes: 100 * KB } });
  const open = (sink: FakeSink) =>
    hub.open(sink, { user: 'ann', channels: ['c'], address: '', expiresAt: 3_600 });
  const sinks = [new FakeSink(), new FakeSink()];
  const stuck = sinks.map(open);
  for (const sink of sinks) sink.isFull = true;
  let n = 0;
  const entry = (bytes: number, channels = ['c']) => {
    n += 1;
    return { n, channels, to: undefined, bytes: Buffer.alloc(bytes, 'x'), byteLength: bytes };
  };
  appendTo(hub, entry(30 * KB));
  await turn();
  for (let i = 0; i < 6; i += 1) appendTo(hub, entry(10));
  await turn();
  const state = () => ({
    bytes: hub.retainedBytes,
    entries: hub.channels.get('c')?.log.count ?? 0,
    open: hub.streams.size,
  });
  assert.ok(stuck.every((stream) => stream.heldEntry !== undefined));
  return { hub, entry, state };
}

test('admission - an event that can never fit is refused as such, and changes nothing', async () => {
  const { hub, entry, state } = await crowded();
  const before = state();
  for (const never of [
    entry(101 * KB),
    entry(
      10,
      Array.from({ length: 103 }, (_, i) => `${i}`),
    ),
  ])
    assert.throws(() => hub.admit(never), { code: 'EVENT_TOO_LARGE' });
  assert.deepEqual(state(), before);
  assertRetained(hub);
});

test('admission - what cannot fit now is refused without evicting or closing anybody', async () => {
  const { hub, entry, state } = await crowded();
  const open = { user: 'bob', channels: ['live'], address: '', expiresAt: 3_600 };
  hub.open(new FakeSink(), open);
  appendTo(hub, entry(50 * KB, ['live'])); // still to be flushed
  const before = state();
  assert.throws(() => hub.admit(entry(60 * KB)), { code: 'MEMORY_FULL' });
  assert.deepEqual(state(), before);
  await turn();
  hub.admit(entry(60 * KB)); // flushed: now it may go
  assertRetained(hub);
});

test('admission - readers stuck inside a frame give way only when that makes the room', async () => {
  const { hub, entry, state } = await crowded();
  hub.admit(entry(65 * KB));
  assert.equal(state().open, 2, 'evictions were enough');
  assert.ok(state().entries < 7);
  hub.admit(entry(90 * KB));
  assert.equal(state().open, 0);
  assertRetained(hub);
});

test('admission - an event for a hundred channels counts its bytes once', () => {
  const hub = newHub({ retention: { budgetBytes: 2_000 * KB } });
  const channels = Array.from({ length: 100 }, (_, i) => `c${i}`);
  const bytes = Buffer.alloc(1_000 * KB);
  assert.equal(appendTo(hub, { n: 1, channels, to: undefined, bytes }), 0);
  assert.ok(hub.retainedBytes < 1_200 * KB);
  assertRetained(hub);
});
