import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channel, type Member } from '../../src/channel.ts';
import { ENTRY_OVERHEAD_BYTES } from '../../src/log.ts';
import { CHANNEL_OVERHEAD_BYTES, Retention } from '../../src/retention.ts';

const KB = 1_024;

function setUp(limits: { capacity?: number; ttlSeconds?: number; budgetBytes?: number }) {
  const forgotten: string[] = [];
  const retention = new Retention<Member>(
    { capacity: 1_000, ttlSeconds: 60, budgetBytes: 1_000 * KB, ...limits },
    (channel) => {
      forgotten.push(channel.name);
      retention.removed(channel);
    },
  );
  const channel = (name: string) => {
    const made = new Channel<Member>(name);
    retention.added(made);
    return made;
  };
  let n = 0;
  const append = (to: Channel<Member>, bytes: number, { time = 0, flushed = Infinity } = {}) => {
    assert.ok(retention.makeRoom(bytes + ENTRY_OVERHEAD_BYTES, flushed));
    retention.append(to, { n: ++n, to: undefined, bytes: Buffer.alloc(bytes), time }, flushed);
  };
  return { retention, channel, append, forgotten };
}

test('retention - keeps so many entries per channel, but none that is still to be flushed', () => {
  const { retention, channel, append } = setUp({ capacity: 3 });
  const c = channel('c');
  for (let i = 0; i < 10; i += 1) append(c, 10, { flushed: 2 });
  assert.deepEqual([c.log.oldest?.n, c.log.count], [3, 8]);
  retention.trim(c, 10);
  assert.deepEqual([c.log.oldest?.n, c.log.count], [8, 3]);
});

test('retention - keeps entries for so long, then forgets the channel', () => {
  const { retention, channel, append, forgotten } = setUp({ ttlSeconds: 60 });
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
  const { retention, channel, append, forgotten } = setUp({});
  const c = channel('c');
  c.add({ user: 'ann' });
  append(c, 10);
  retention.expire(c, 100);
  assert.deepEqual([c.log.count, forgotten], [0, []]);
});

test('retention - over the budget the largest channel gives way first', () => {
  const { retention, channel, append } = setUp({ budgetBytes: 100 * KB });
  const large = channel('large');
  const small = channel('small');
  append(small, 5 * KB);
  for (let i = 0; i < 30; i += 1) append(large, 5 * KB);
  assert.equal(small.log.count, 1);
  assert.ok(large.log.count > 10 && large.log.count < 20, `${large.log.count}`);
  assert.ok(retention.bytes <= 100 * KB);
});

test('retention - names alone cannot fill memory', () => {
  const { retention, channel, append, forgotten } = setUp({ budgetBytes: 100 * KB });
  for (let i = 0; i < 1_000; i += 1) append(channel(`c${i}`), 10);
  assert.ok(retention.bytes <= 100 * KB);
  assert.ok(forgotten.length > 900);
});

test('retention - what a flush still needs is not evicted; then there is no room', () => {
  const { retention, channel, append } = setUp({ budgetBytes: 10 * KB });
  const c = channel('c');
  for (let i = 0; i < 4; i += 1) append(c, KB);
  assert.equal(retention.makeRoom(9 * KB, 2), false, 'only the first two may go');
  assert.deepEqual([c.log.oldest?.n, c.log.count], [3, 2]);
  assert.equal(retention.makeRoom(20 * KB, 4), false, 'more than there is at all');
  assert.equal(c.log.count, 0);
  assert.equal(retention.makeRoom(5 * KB, 4), true);
});

test('retention - a channel that holds nothing but the memory of users is passed over', () => {
  const { retention, channel } = setUp({ budgetBytes: 10 * KB });
  const c = channel('c');
  c.add({ user: 'ann' });
  retention.append(c, { n: 1, to: 'ann', bytes: Buffer.alloc(10), time: 0 }, 1);
  assert.equal(retention.makeRoom(9 * KB, 1), false);
  assert.equal(c.log.count, 0);
  assert.equal(retention.makeRoom(6 * KB, 1), true);
  assert.equal(retention.makeRoom(100 * KB, 1), false);
});

test('retention - the count of bytes is exact', () => {
  const { retention, channel, append } = setUp({});
  const c = channel('c');
  append(c, 10);
  append(c, 20);
  assert.equal(retention.bytes, CHANNEL_OVERHEAD_BYTES + 2 * ENTRY_OVERHEAD_BYTES + 30);
});
