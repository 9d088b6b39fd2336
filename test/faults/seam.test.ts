/** Where replay ends and live delivery begins, while clients come and go all the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';

const CLIENTS = 200;
const SECONDS = 60;
const EMITS_PER_SECOND = 500;
const RECONNECT_EVERY_MS = 50;

/** Clients that come back at one time, at most. */
const MOST_AT_ONCE = 8;

test('seam - clients reconnect all the time under load: every event once, in order, no gap', {
  timeout: 240_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS);
  const stop = new AbortController();
  const churn = (async () => {
    for await (const _ of ticks(RECONNECT_EVERY_MS, undefined)) {
      if (stop.signal.aborted) return;
      for (const client of world.random.some(world.clients, MOST_AT_ONCE)) {
        if (world.random.below(2) === 0) client.cut();
        else client.reset();
      }
    }
  })();
  const began = performance.now();
  await world.emitter.run(world.plan, {
    count: SECONDS * EMITS_PER_SECOND,
    perSecond: EMITS_PER_SECOND,
  });
  const seconds = (performance.now() - began) / 1000;
  stop.abort();
  await churn;
  await world.opened();
  await world.settle();
  const account = world.audit();
  t.diagnostic(`${Math.round(account.acked / seconds)} emits/s for ${Math.round(seconds)} s`);
  assert.equal(account.notices, 0);
  assert.equal(account.refused + account.unknown, 0);
  assert.ok(account.connections > CLIENTS * 5, 'most clients came back several times');
});
