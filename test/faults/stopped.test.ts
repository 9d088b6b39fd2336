/** Processes that stand still for a while: the server, or some of its clients. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LedgerProcess } from '../support/ledger-process.ts';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

/** How long the server stands still: a requirement of the test, not a wait for something. */
const STANDSTILL_MS = 5_000;

const ENDLESS = { count: 1_000_000, perSecond: 200 };

test('R-06 standstill - the server stops for 5 s: nobody is dropped, nothing is lost, heartbeats go on', {
  timeout: 120_000,
}, async (t) => {
  // Its own pause is longer than what a reader may stall.
  const server = await spawnServer(t, ['-drain', '0', '-heartbeat', '1', '-stall', '2']);
  const world = new World(t, server);
  await world.join(server.publicUrl, 200);
  const emitting = world.emitter.run(world.plan, ENDLESS);
  await eventually(() => world.emitter.acked > 300, { withinMs: 30_000 });
  server.process.kill('SIGSTOP');
  await delay(STANDSTILL_MS);
  server.process.kill('SIGCONT');
  const goal = world.emitter.acked + 300;
  await eventually(() => world.emitter.acked > goal, { withinMs: 60_000, what: 'emits to go on' });
  world.emitter.stop();
  await emitting;
  await world.settle();
  const before = world.clients.map(({ comments }) => comments);
  await eventually(() => world.clients.every(({ comments }, i) => comments >= before[i]! + 2), {
    withinMs: 20_000,
    what: 'two heartbeats for everybody',
  });
  const account = world.audit();
  assert.equal(account.connections, 200, 'nobody had to come back');
  assert.equal(account.delivered, account.expected);
  assert.equal(account.delivered, account.streams, 'the server counts as the clients do');
  assert.equal(account.unknown, 0);
});

test('R-07 standstill - clients stop: they are closed as stalled, and on return all is delivered or told', {
  timeout: 120_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-ledger-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // A unix socket holds little, so that readers who stop are noticed soon.
  const url = `unix:${folder}/public.sock`;
  const flags = ['-bind', url, '-drain', '0', '-stall', '2', '-history', '100'];
  const server = await spawnServer(t, flags);
  const world = new World(t, server);
  await world.join(url, 40);
  const people = await world.describe(20);
  const others = new LedgerProcess(
    t,
    people.map((person) => ({ url, since: world.since, ...person })),
  );
  await others.opened();
  const emitting = world.emitter.run(world.plan, { count: 1_000_000, perSecond: 500 });
  others.process.kill('SIGSTOP');
  const closed = () => server.log().filter((line) => line['reason'] === 'stalled').length;
  await eventually(() => closed() > 0, { withinMs: 30_000, what: 'a stalled stream to be closed' });
  const goal = world.emitter.acked + 2_000;
  await eventually(() => world.emitter.acked > goal, { withinMs: 60_000 });
  others.process.kill('SIGCONT');
  world.emitter.stop();
  await emitting;
  await others.opened();
  world.otherReceipts.push(...(await others.receipts(await world.settle())));
  const account = world.audit();
  t.diagnostic(`${closed()} streams were closed as stalled`);
  assert.ok(account.reported > 0, 'those who came back were told of their gap');
  assert.deepEqual(
    world.clients.flatMap(({ receipt }) => receipt.notices),
    [],
    'the others had everything',
  );
  assert.ok(world.clients.every(({ receipt }) => receipt.connections === 1));
});
