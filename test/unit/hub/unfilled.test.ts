/** Between the coming of a prefix and its filling, what was evicted below it may be forgotten there, or lost in what is newer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelIndex } from '../../../src/hub/channel-index.ts';
import { Entry, type Recipients } from '../../../src/log/entry.ts';
import { entryOf } from '../../support/hub.ts';

/** For some ten facts of evictions, on several channels with several users. */
const BUDGET_BYTES = 16 * 2_600;

function setUp({ capacity = 1 } = {}) {
  let now = 0;
  const limits = { capacity, ttlSeconds: 60, budgetBytes: BUDGET_BYTES };
  const index = new ChannelIndex(limits, () => now);
  let n = 0;
  const pass = (seconds: number) => {
    now += seconds;
  };
  const emit = (name: string, to?: Recipients) => {
    n += 1;
    const entry = new Entry(entryOf(n, to), 0);
    for (const reached of index.reached([name]))
      index.retention.append(index.channel(reached), entry, n);
  };
  /** New facts of a channel that is not there, until all older ones have given way. */
  const flood = (count = 50) => {
    for (let i = 0; i < count; i += 1) {
      n += 1;
      index.evictions.addFor('elsewhere', `user-${n}`, n);
    }
  };
  const come = () => {
    const prefix = index.channel('a/*');
    prefix.holders += 1; // somebody is on it
    return prefix.unfilledThrough;
  };
  const missed = (user: string) => {
    const prefix = index.channel('a/*');
    let through = 0;
    index.fills.fillNow([prefix], () => {
      through = index.setOf(['a/*']).missedThrough(user, 0);
    });
    return through;
  };
  return { index, emit, flood, come, missed, pass };
}

test('unfilled - a fact that gives way is known to the prefix, and what gives way after it hides nothing', () => {
  const { index, emit, flood, come, missed } = setUp();
  emit('a/1', 'ann');
  emit('a/1', 'bob');
  assert.equal(come(), 2);
  emit('a/1', 'eve');
  emit('a/1', 'eve');
  for (let i = 0; i < 60; i += 1) {
    emit('a/2', i % 2 === 0 ? 'bob' : 'eve'); // what the prefix itself knows stays young
    flood(3);
  }
  assert.equal(index.channel('a/1').log.evictedForEveryone, 3);
  assert.equal(
    missed('ann'),
    2,
    'number 1 is gone; that number 2 was not hers is not known any more',
  );
});

test('unfilled - a channel that is forgotten leaves the prefix what it had evicted for everyone', () => {
  const { index, emit, flood, come, missed } = setUp();
  emit('a/1');
  emit('a/1', 'ann');
  come();
  flood();
  index.retention.expire(index.channel('a/1'), 100);
  assert.equal(index.channels.has('a/1'), false);
  assert.equal(missed('bob'), 1);
});

test('unfilled - a channel that comes back leaves the prefix what was kept of it', () => {
  const { index, emit, flood, come, missed } = setUp();
  emit('a/1');
  index.retention.expire(index.channel('a/1'), 100);
  assert.equal(index.evictions.kept('a/1'), 1);
  come();
  for (let i = 0; i < 3; i += 1) index.evictions.addFor('x', `user-${i}`, 20 + i);
  index.evictions.elsewhere = 50;
  emit('a/1', 'ann');
  flood();
  assert.ok(index.channel('a/1').log.evictedForEveryone >= 50);
  assert.equal(missed('bob'), 1);
});

test('unfilled - what was evicted later than the prefix came, and it has itself, is no gap', () => {
  const { emit, come, missed } = setUp({ capacity: 2 });
  emit('a/1', 'ann');
  come();
  emit('a/2');
  emit('a/2', 'ann');
  emit('a/1', 'ann');
  assert.equal(missed('bob'), 2);
  assert.equal(missed('ann'), 2, 'number 1 is there, but the prefix has no place for it');
});

test('unfilled - what is gone from a channel below, but newer than the prefix and still there, is no gap', () => {
  const { index, emit, come, missed } = setUp({ capacity: 2 });
  emit('a/1', 'ann');
  come();
  emit('a/1', 'ann');
  // Entries age channel by channel: the prefix has its turn later.
  index.retention.expire(index.channel('a/1'), 100);
  assert.equal(missed('ann'), 1, 'number 1 is gone, number 2 is in the log of the prefix');
});

test('unfilled - a prefix that somebody waits for stays, however long that takes', () => {
  const { index, emit, come, pass } = setUp();
  emit('a/1');
  come();
  pass(1_000);
  assert.deepEqual(index.reached(['a/1']), ['a/1', 'a/*']);
  index.channel('a/*').holders -= 1;
  assert.deepEqual(index.reached(['a/1']), ['a/1']);
});
