/** The server dies, leaves, or leaves and comes back, while emits go on and clients return. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixedAddresses, World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually, within } from '../support/wait.ts';

const CLIENTS = 200;
const EMITS_PER_SECOND = 200;
/** Of the emitter. */
const CONNECTIONS = 16;

const ENDLESS = { count: 1_000_000, perSecond: EMITS_PER_SECOND };

const epochOf = (id: string): string => id.slice(0, id.lastIndexOf('-'));

const backAgain = (world: World, connections: number) =>
  eventually(() => world.clients.every((client) => client.receipt.connections >= connections), {
    withinMs: 30_000,
    what: 'all clients to be back',
  });

test('R-01 kill -9 - one notice of another epoch for each client, no id given twice, the books are right', {
  timeout: 120_000,
}, async (t) => {
  const args = [...(await fixedAddresses()), '-drain', '0'];
  const first = await spawnServer(t, args);
  const world = new World(t, first);
  await world.join(first.publicUrl, CLIENTS, { waitMs: () => world.random.below(1_000) });
  const emitting = world.emitter.run(world.plan, ENDLESS);
  await world.moreAcked(400);
  await first.stop('SIGKILL');
  await spawnServer(t, args);
  await backAgain(world, 2);
  await world.moreAcked(400);
  world.emitter.stop();
  await emitting;
  await world.settle();
  const account = world.audit();
  for (const { receipt } of world.clients) {
    assert.deepEqual(
      receipt.notices.map(({ reason }) => reason),
      ['epoch'],
      `seed ${world.random.seed}`,
    );
    assert.equal(epochOf(receipt.notices[0]!.after), epochOf(world.since));
    assert.notEqual(epochOf(receipt.notices[0]!.resumed), epochOf(world.since));
  }
  assert.equal(account.connections, 2 * CLIENTS);
  // What was under way on each connection, and once more what was sent before its end was seen.
  assert.ok(account.unknown <= 2 * CONNECTIONS, `${account.unknown} without an answer`);
});

test('R-01 kill -9 - ten times at random moments: one notice for each return, the books are right', {
  timeout: 120_000,
}, async (t) => {
  const args = [...(await fixedAddresses()), '-drain', '0'];
  const first = await spawnServer(t, args);
  const world = new World(t, first);
  await world.join(first.publicUrl, 50, { waitMs: () => world.random.below(50) });
  const emitting = world.emitter.run(world.plan, ENDLESS);
  let server = first;
  for (let round = 1; round <= 10; round += 1) {
    await world.moreAcked(1 + world.random.below(100));
    await server.stop('SIGKILL');
    server = await spawnServer(t, args);
    await backAgain(world, round + 1);
  }
  world.emitter.stop();
  await emitting;
  await world.settle();
  const account = world.audit();
  assert.equal(account.connections, 11 * 50);
  assert.equal(account.notices, 10 * 50);
});

test('R-03 SIGTERM - under load: streams end whole, over the window, with all that was acknowledged', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '4']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS, { staysAway: true });
  const emitting = world.emitter.run(world.plan, ENDLESS);
  await world.moreAcked(400);
  const began = performance.now();
  const code = await within(server.stop(), { withinMs: 30_000, what: 'the server to leave' });
  world.emitter.stop();
  await emitting;
  await eventually(() => world.clients.every((client) => !client.isOpen));
  const account = world.audit();
  assert.equal(code, 0);
  assert.equal(account.delivered, account.expected, 'what was acknowledged had been delivered');
  assert.equal(account.notices, 0);
  assert.ok(account.refused > 0, 'emits went on while it left');
  assert.equal(account.unanswered, 0, 'nothing was taken in without an answer');
  assert.equal(Math.max(...world.clients.map(({ cuts }) => cuts)), 0, 'no stream is cut');
  const ends = world.clients.map(({ endedAt }) => Math.floor((endedAt - began) / 1_000));
  const most = Math.max(...ends.map((second) => ends.filter((other) => other === second).length));
  assert.ok(most <= CLIENTS * 0.5, `${most} of ${CLIENTS} ended within one second`);
});

test('R-03 SIGTERM - a second one ends the server at once', { timeout: 60_000 }, async (t) => {
  const server = await spawnServer(t, ['-drain', '600']);
  const world = new World(t, server);
  await world.join(server.publicUrl, 20, { staysAway: true });
  const stopped = server.stop();
  await eventually(() => server.log().some((line) => line['msg'] === 'draining'));
  server.process.kill('SIGTERM');
  await within(stopped, { withinMs: 10_000, what: 'the server to end' });
  await eventually(() => world.clients.every((client) => !client.isOpen));
});

test('restart - with -snapshot under load, twice: nothing is lost, no notice, numbers go on', {
  timeout: 120_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-ledger-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const addresses = await fixedAddresses();
  const args = [...addresses, '-drain', '1', '-history', '20000', '-snapshot', join(folder, 'log')];
  const first = await spawnServer(t, args);
  const world = new World(t, first, { hasPrefixes: true });
  await world.join(first.publicUrl, CLIENTS, { waitMs: (retryMs) => retryMs });
  const emitting = world.emitter.run(world.plan, ENDLESS);
  let server = first;
  for (let round = 1; round <= 2; round += 1) {
    await world.moreAcked(300);
    // Away when the server leaves: what they miss passes through the snapshot.
    for (const client of world.random.some(world.clients, 100)) client.cut();
    await world.moreAcked(100);
    const ackedBefore = world.emitter.acked;
    assert.equal(await server.stop(), 0);
    assert.ok(world.emitter.acked > ackedBefore + CONNECTIONS, 'emits are taken while it leaves');
    server = await spawnServer(t, args);
    await backAgain(world, round + 1);
  }
  await world.moreAcked(100);
  world.emitter.stop();
  await emitting;
  await world.settle();
  const account = world.audit();
  assert.equal(account.notices, 0);
  assert.equal(account.delivered, account.expected);
  const ids = world.emitter.emitted.flatMap(({ id }) => id ?? []);
  assert.equal(new Set(ids.map(epochOf)).size, 3, 'one epoch for each process');
  const numbers = ids.map((id) => Number(id.slice(id.lastIndexOf('-') + 1)));
  assert.equal(Math.max(...numbers), ids.length, 'nothing was taken in without an answer');
});
