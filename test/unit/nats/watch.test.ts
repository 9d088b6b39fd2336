/** When NATS is asked how it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Watch, type WatchOptions } from '../../../src/nats/watch.ts';

test('watch - nothing is asked while there is no connection, and at once when there is one again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const atStart = { created: 1, first: 1, last: 0, bytes: 0, deletedCount: 0 };
  let isUp = false;
  let asked = 0;
  const watch = new Watch({
    isUp: () => isUp,
    facts: () => {
      asked += 1;
      // Without a connection the client waits for the answer until its time is over.
      return isUp ? Promise.resolve(atStart) : new Promise(() => {});
    },
    ...{ epoch: 'e', atStart, hadOthers: false, hasOthers: async () => false },
    follower: { through: 0, witness: undefined, isWaiting: false },
  } as unknown as WatchOptions);
  watch.start();
  t.after(() => watch.stop());

  t.mock.timers.tick(1_000);
  assert.equal(asked, 0);
  isUp = true;
  t.mock.timers.tick(1_000);
  assert.equal(asked, 1);
});
