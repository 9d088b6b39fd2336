/** Everybody leaves at once and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../support/ledger-world.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const CLIENTS = 2_000;

/** Generous: clients wait 1 to 4 seconds before they come back. */
const ALL_BACK_MS = 30_000;

const asTold = (retryMs: number): number => retryMs;

const noErrors = (server: SpawnedServer): void =>
  assert.deepEqual(
    server.log().filter((line) => Number(line['level']) >= 50),
    [],
  );

function cutAll(world: World): void {
  for (const client of world.clients) client.reset();
}

const allAway = (world: World) =>
  eventually(() => world.clients.every((client) => !client.isOpen || client.lastId !== undefined));

test('R-13 storm - 2,000 idle streams cut at once are all back in time, and have what they missed', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS, { waitMs: asTold });
  await world.emitter.run(world.plan, { count: 100, perSecond: 50 });
  cutAll(world);
  await world.emitter.run(world.plan, { count: 100, perSecond: 200 });
  await allAway(world);
  const began = performance.now();
  await world.opened(ALL_BACK_MS);
  t.diagnostic(`all back after ${Math.round(performance.now() - began)} ms`);
  await world.settle();
  const account = world.audit();
  assert.equal(account.connections, 2 * CLIENTS);
  assert.equal(account.notices, 0);
  noErrors(server);
});

test('R-14 storm - 2,000 streams cut at once, three times, while emits go on: nothing is lost', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS, { waitMs: asTold });
  const emitting = world.emitter.run(world.plan, { count: 100_000, perSecond: 50 });
  for (let storm = 2; storm <= 4; storm += 1) {
    cutAll(world);
    await eventually(() => world.clients.every((client) => client.receipt.connections >= storm), {
      withinMs: ALL_BACK_MS,
      what: `everybody to be back after storm ${storm - 1}`,
    });
  }
  world.emitter.stop();
  await emitting;
  await world.opened(ALL_BACK_MS);
  await world.settle();
  const account = world.audit();
  assert.equal(account.notices, 0);
  assert.equal(account.refused + account.unknown, 0);
  noErrors(server);
});
