/** Links too narrow for what some of the streams on them are to carry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atRate, FaultProxy } from '../support/fault-proxy.ts';
import { scratchFile } from '../support/faults.ts';
import { LedgerClient } from '../support/ledger-client.ts';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';

const CLIENTS = 100;
/** 256 kbit/s. */
const BYTES_PER_SECOND = 32_768;
const EVENT_BYTES = 2_000;
const EVENTS_PER_SECOND = 50;
/** One event in so many is quiet: a third of what a link takes. All others are nearly three times as much. */
const QUIET_SHARE = 9;
const QUIET = 'channel-0';
const LOUD = 'channel-1';

async function joinHalfEach(world: World, url: string): Promise<void> {
  for (const [i, { user }] of (await world.describe(CLIENTS)).entries()) {
    const channels = [i % 2 === 0 ? QUIET : LOUD];
    world.clients.push(new LedgerClient({ url, since: world.since, user, channels }));
  }
  await world.opened();
}

test('R-10 narrow links - those whose events fit have all of them, and only the others are told of gaps', {
  timeout: 120_000,
}, async (t) => {
  // A unix socket holds little, so that a narrow link is soon felt; the log holds a second's worth.
  const url = `unix:${scratchFile(t)}`;
  const server = await spawnServer(t, ['-bind', url, '-drain', '0', '-history', '50']);
  const world = new World(t, server);
  const links = await FaultProxy.open(t, url);
  links.fault = atRate(BYTES_PER_SECOND);
  await joinHalfEach(world, links.url);
  const plan = () => ({
    to: undefined,
    channels: [world.random.below(QUIET_SHARE) === 0 ? QUIET : LOUD],
    size: EVENT_BYTES,
  });
  await world.emitter.run(plan, { count: 300, perSecond: EVENTS_PER_SECOND });
  await world.settle();
  const account = world.audit();
  assert.equal(account.connections, CLIENTS, 'a slow reader is no stalled one');
  for (const { receipt } of world.clients) {
    const reasons = new Set(receipt.notices.map(({ reason }) => reason));
    const expected = receipt.channels.includes(LOUD) ? ['lagged'] : [];
    assert.deepEqual([...reasons], expected, `seed ${world.random.seed}`);
  }
});
