import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BELOW_OVERHEAD_BYTES } from '../../../src/log/below.ts';
import { Evictions, SHARE_LEFT } from '../../../src/log/evictions.ts';
import { GROUP_OVERHEAD_BYTES, NAME_OVERHEAD_BYTES } from '../../../src/log/fresh-map.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';

const FACT = NAME_OVERHEAD_BYTES + 'cu100'.length;
/** The limit above which so many facts of one channel are left. */
const limitFor = (facts: number): number =>
  Math.ceil((facts * FACT + GROUP_OVERHEAD_BYTES) / SHARE_LEFT);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const below = (evictions: Evictions, stem: string) =>
  [...evictions.below(stem)].filter((fact) => fact !== undefined);

test('evictions - exact for each user of each channel', () => {
  const evictions = new Evictions(100_000, () => false);
  for (let i = 0; i < 500; i += 1) evictions.addFor('c', `u${i}`, i + 1);
  evictions.addFor('d', 'u7', 900);
  assert.equal(evictions.for('c', 'u7'), 8);
  assert.equal(evictions.for('d', 'u7'), 900);
  assert.equal(evictions.for('c', 'stranger'), 0);
  assert.equal(evictions.elsewhere, 0);
});

test('evictions - a channel takes back what was kept for it', () => {
  const evictions = new Evictions(100_000, () => false);
  evictions.keep('c', 5);
  assert.deepEqual([evictions.take('c'), evictions.take('c'), evictions.take('d')], [5, 0, 0]);
  assert.equal(evictions.bytes, 0);
});

test('evictions - bounded in bytes: the oldest give way, to their channel if it is there', () => {
  const present = new Map([['here', 0]]);
  const evictions = new Evictions(limitFor(10), (channel, n) => {
    if (!present.has(channel)) return false;
    present.set(channel, n);
    return true;
  });
  evictions.addFor('here', 'ann', 1);
  evictions.addFor('gone', 'ann', 2);
  for (let n = 101; n <= 120; n += 1) evictions.addFor('c', `u${n}`, n);
  assert.ok(evictions.bytes <= limitFor(10));
  assert.equal(present.get('here'), 1);
  assert.equal(evictions.elsewhere, 110, 'the newest of those that gave way');
  assert.equal(evictions.for('c', 'u120'), 120);
  assert.equal(evictions.take('never seen'), 110);
});

test('evictions - what is below a prefix, users and all, and what that costs', () => {
  const evictions = new Evictions(100_000, () => false);
  evictions.addFor('a/b/c', 'ann/x', 1);
  evictions.addFor('ab', 'ann', 2);
  evictions.addFor('a/*', 'ann', 3);
  const before = evictions.bytes;
  assert.deepEqual(below(evictions, 'a/b/'), [['a/b/c', 'ann/x', 1]]);
  assert.equal(evictions.bytes, before + 2 * BELOW_OVERHEAD_BYTES);
  evictions.keep('a/d', 4);
  evictions.keep('a/d', 5);
  assert.deepEqual(below(evictions, 'a/'), [
    ['a/b/c', 'ann/x', 1],
    ['a/d', null, 5],
  ]);
  assert.equal(evictions.take('a/d'), 5);
  assert.deepEqual(below(evictions, 'a/'), [['a/b/c', 'ann/x', 1]]);
  assert.equal(evictions.bytes, before + 2 * BELOW_OVERHEAD_BYTES);
});

test('evictions - bounded in bytes below prefixes as well', () => {
  const limit = 20 * (FACT + BELOW_OVERHEAD_BYTES);
  const evictions = new Evictions(limit, () => false);
  assert.deepEqual(below(evictions, 'c/'), []);
  for (let n = 1; n <= 100; n += 1) evictions.addFor('c/1', `u${n}`, n);
  assert.ok(evictions.bytes <= limit);
  assert.equal(below(evictions, 'c/').length, [...evictions].length);
});

// Each look for the oldest passes by all that went before it.
test('evictions - the oldest give way many at a time', () => {
  const evictions = new Evictions(limitFor(150), () => false);
  let lots = 0;
  for (let n = 100; n < 1_000; n += 1) {
    const { elsewhere } = evictions;
    evictions.addFor('c', `u${n}`, n);
    if (evictions.elsewhere > elsewhere) lots += 1;
    assert.ok(evictions.bytes <= limitFor(150));
  }
  assert.ok(lots > 0 && lots <= 750 / 10, `${lots} times`);
  assert.ok([...evictions].length >= 150);
});

test('evictions - a fact that is renewed is young again', () => {
  const evictions = new Evictions(limitFor(2), () => false);
  evictions.addFor('c', 'u100', 1);
  evictions.addFor('c', 'u101', 2);
  evictions.addFor('c', 'u100', 3);
  evictions.addFor('c', 'u102', 4);
  assert.deepEqual(
    [...evictions],
    [
      ['c', 'u100', 3],
      ['c', 'u102', 4],
    ],
  );
  assert.equal(evictions.elsewhere, 2);
});

// One channel with many users is what most people have.
test('evictions - nobody on a shared channel hears of what was evicted for a thousand others', async () => {
  const hub = newHub({ notices: true, retention: { capacity: 1 } });
  for (let n = 1; n <= 2_000; n += 1)
    append(hub, { n, channels: ['c'], to: `u${n}`, bytes: Buffer.from('x') });
  await turn();
  for (const user of ['stranger', 'u2000']) {
    const sink = new FakeSink();
    const grant = { user, channels: ['c'], address: '', expiresAt: 3_600 };
    hub.open(sink, { ...grant, lastEventId: 'e-0' });
    await turn();
    assert.ok(!sink.text.includes('tidings.gap'), `${user}: ${sink.text}`);
  }
  const sink = new FakeSink();
  hub.open(sink, {
    user: 'u7',
    channels: ['c'],
    address: '',
    expiresAt: 3_600,
    lastEventId: 'e-0',
  });
  await turn();
  assert.match(sink.text, /tidings\.gap\ndata: \{"after":"e-0","resumed":"e-7","reason":"evicted"/);
});

test('evictions - 20,000 channels of their own, all reconnecting: only who missed something is told', async () => {
  const clock = { now: 0 };
  const hub = newHub({ notices: true, retention: { ttlSeconds: 10 }, now: () => clock.now });
  const COUNT = 20_000;
  for (let i = 1; i <= COUNT; i += 1)
    append(hub, { n: i, channels: [`user-${i}`], to: `u${i}`, bytes: Buffer.from(`<${i}>`) });
  await turn();
  clock.now = 11;
  for (const channel of [...hub.channels.values()]) hub.expire(channel);
  assert.deepEqual([hub.channels.size, hub.retainedBytes], [0, 0]);
  let told = 0;
  let missed = 0;
  for (let i = 1; i <= COUNT; i += 1) {
    const sink = new FakeSink();
    const hadIt = i % 10 !== 0;
    const lastEventId = hadIt ? `e-${i}` : `e-${i - 1}`;
    const grant = { user: `u${i}`, channels: [`user-${i}`], address: '', expiresAt: 3_600 };
    const stream = hub.open(sink, { ...grant, lastEventId });
    while (!hadIt && !sink.text.includes('tidings.gap')) await turn();
    if (sink.text.includes('tidings.gap')) told += 1;
    if (!hadIt) missed += 1;
    stream.aborted();
  }
  await turn();
  assert.deepEqual([told, missed], [COUNT / 10, COUNT / 10]);
  assertRetained(hub);
});

test('evictions - 100,000 streams on channels of their own, an event each, fit the defaults', () => {
  const MB = 1_048_576;
  const hub = newHub({ retention: { ttlSeconds: 300, budgetBytes: 256 * MB } });
  const sink = new FakeSink();
  for (let i = 1; i <= 100_000; i += 1)
    hub.open(sink, { user: `u${i}`, channels: [`user-${i}`], address: '', expiresAt: 3_600 });
  assert.equal(hub.retainedBytes, 0, 'streams alone cost nothing of it');
  for (let n = 1; n <= 100_000; n += 1) {
    const entry = { n, channels: [`user-${n}`], to: `u${n}`, bytes: Buffer.from('data: x\n\n') };
    assert.equal(append(hub, entry), 1);
  }
  assertRetained(hub);
});
