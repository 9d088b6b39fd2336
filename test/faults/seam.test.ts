/** Where replay ends and live delivery begins, while clients come and go all the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { LedgerClient, type StreamWatch } from '../support/ledger-client.ts';
import type { Plan } from '../support/ledger-emitter.ts';
import { World } from '../support/ledger-world.ts';
import type { Random } from '../support/prng.ts';
import { spawnServer } from '../support/spawn-server.ts';

const CLIENTS = 200;
const SECONDS = 30;
const EMITS_PER_SECOND = 1_000;
/** Of the second test, whose clients are cut still more often. */
const CUTTING_SECONDS = 60;
const EMITS_PER_SECOND_TO_CUT = 300;
const RECONNECT_EVERY_MS = 25;

/** Clients that come back at one time, at most. */
const MOST_AT_ONCE = 8;

test('seam - clients reconnect all the time under load: every event once, in order, no gap', {
  timeout: 240_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server, { hasPrefixes: true });
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

/** What one client in so many gets, as soon as its stream is open or bytes have come: a cut. */
const CUT_AT_OPEN = 3;
const CUT_AT_BYTES = 60;

/** Cuts a client at moments of its own: before its first event, between two, or while it waits for an answer. */
class Cutter implements StreamWatch {
  static count = 0;
  static isOn = true;
  client: LedgerClient | undefined;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  opened(): void {
    this.#maybe(CUT_AT_OPEN);
  }

  bytes(): void {
    this.#maybe(CUT_AT_BYTES);
  }

  over(): void {}

  #maybe(share: number): void {
    if (!Cutter.isOn || this.#random.below(share) !== 0) return;
    Cutter.count += 1;
    setImmediate(() => this.client?.abandon());
  }
}

const ownOf = (user: string): string => `own-${user}`;

async function joinCut(world: World, url: string): Promise<void> {
  const { random } = world;
  for (const { user, channels } of await world.describe(CLIENTS)) {
    const watch = new Cutter(random);
    const waitMs = () => random.below(300);
    const own = [ownOf(user), ...channels];
    watch.client = new LedgerClient({ url, user, channels: own, waitMs, watch });
    world.clients.push(watch.client);
  }
}

/** For one user on a channel of their own, for whoever is there, or as everywhere else. */
function planFor(world: World, users: readonly string[]): () => Plan {
  const { random } = world;
  return () => {
    const user = random.pick(users);
    const kind = random.below(6);
    if (kind < 3) return { to: [user], channels: [ownOf(user)], size: 50 };
    if (kind === 3) return { to: undefined, channels: [ownOf(user)], size: 50 };
    return world.plan();
  };
}

test('seam - clients without any id are cut before their first event and at any moment: nothing is lost, no notice', {
  timeout: 240_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server, { hasPrefixes: true });
  await joinCut(world, server.publicUrl);
  const users = world.clients.map(({ receipt }) => receipt.user);
  const stop = new AbortController();
  const churn = (async () => {
    for await (const _ of ticks(RECONNECT_EVERY_MS, undefined)) {
      if (stop.signal.aborted) return;
      for (const client of world.random.some(world.clients, MOST_AT_ONCE)) client.abandon();
    }
  })();
  await world.emitter.run(planFor(world, users), {
    count: CUTTING_SECONDS * EMITS_PER_SECOND_TO_CUT,
    perSecond: EMITS_PER_SECOND_TO_CUT,
  });
  Cutter.isOn = false;
  stop.abort();
  await churn;
  await world.opened();
  await world.settle();
  const account = world.audit();
  t.diagnostic(`${Cutter.count} cut as they opened or read`);
  assert.equal(account.notices, 0);
  assert.equal(account.delivered, account.expected);
  assert.equal(account.refused + account.unknown, 0);
  assert.ok(account.connections > CLIENTS * 5, 'most clients came back several times');
});
