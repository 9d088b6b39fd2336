/** Connections that are cut anywhere, and bytes that arrive in other pieces than they were sent in. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coalesce, FaultProxy, pass, resetAfter, slice } from '../support/fault-proxy.ts';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';

test('R-11 network - a thousand resets in mid-frame: no part of an event is dispatched, none is lost', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  const proxy = await FaultProxy.open(t, server.publicUrl);
  // Past the response head now and then, and anywhere in the events behind it.
  proxy.fault = () => resetAfter(100 + world.random.below(30_000));
  const clients = 40;
  const joined = world.join(proxy.url, clients, { waitMs: () => world.random.below(50) });
  const emitting = joined.then(() =>
    world.emitter.run(world.plan, { count: 100_000, perSecond: 150 }),
  );
  const end = performance.now() + 60_000;
  const enough = setInterval(() => {
    if (proxy.count < 1_000 + clients && performance.now() < end) return;
    proxy.fault = pass;
    proxy.resetAll();
    world.emitter.stop();
  }, 50);
  t.after(() => clearInterval(enough));
  await emitting;
  clearInterval(enough);
  await world.opened();
  await world.settle();
  const account = world.audit();
  t.diagnostic(`${proxy.count} connections`);
  assert.ok(proxy.count >= 1_000 + clients, `only ${proxy.count} connections within the time`);
  assert.equal(account.notices, 0);
  assert.equal(account.unknown, 0);
});

test('R-12 network - one byte at a time, or 64 KiB at once: the same events', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const world = new World(t, server);
  for (const fault of [slice, coalesce, pass]) {
    const proxy = await FaultProxy.open(t, server.publicUrl);
    proxy.fault = fault;
    await world.join(proxy.url, 4);
  }
  await world.emitter.run(world.plan, { count: 200, perSecond: 200 });
  await world.settle();
  const account = world.audit();
  assert.equal(account.delivered, account.expected);
  assert.equal(account.delivered, account.streams, 'the server counts as the clients do');
  assert.equal(account.connections, 12);
});

test('network - readers that stall and go on have had everything, in order', {
  timeout: 120_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-ledger-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // A unix socket holds little, so that every stream blocks.
  const url = `unix:${folder}/public.sock`;
  const server = await spawnServer(t, ['-bind', url, '-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  const proxy = await FaultProxy.open(t, url);
  await world.join(proxy.url, 20);
  for (let round = 0; round < 3; round += 1) {
    proxy.stallAll();
    await world.emitter.run(world.plan, { count: 1_500, perSecond: 1_000 });
    proxy.flow();
    await world.settle();
  }
  const account = world.audit();
  assert.equal(account.delivered, account.expected);
  assert.equal(account.connections, 20);
});
