/** Channels by their oldest entry, against a look at all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelLog } from '../../../src/log/channel-log.ts';
import { NOWHERE, OldestFirst } from '../../../src/log/oldest-first.ts';
import { entryOf } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

test('oldest first - the first is the one with the oldest entry, whatever came, went and was evicted', () => {
  const random = new Random();
  const heap = new OldestFirst();
  const here = new Set<{ log: ChannelLog; heapAt: number }>();
  let n = 0;
  for (let round = 0; round < 20_000; round += 1) {
    n += 1;
    const one = random.pick([...here, undefined]);
    const what = random.below(10);
    if (one === undefined || here.size < 5) {
      const added = { log: new ChannelLog(), heapAt: NOWHERE };
      added.log.append(entryOf(n));
      heap.add(added);
      here.add(added);
    } else if (what < 5) one.log.append(entryOf(n));
    else if (what < 9 && one.log.count > 1) one.log.evict();
    else {
      if (one.log.count === 1) one.log.evict();
      heap.remove(one);
      here.delete(one);
      assert.equal(one.heapAt, NOWHERE);
    }
    const oldest = Math.min(...[...here].map(({ log }) => log.oldest!.n));
    assert.equal(heap.first()?.log.oldest?.n ?? Infinity, oldest, `seed ${random.seed}, ${round}`);
  }
});
