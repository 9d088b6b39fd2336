/** The proxy in front is reloaded, or ended and started again, while emits go on and clients come back. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { behindEach, type ProxyKind, startBehind } from '../proxy/proxies.ts';
import type { Account } from '../support/ledger.ts';
import { World } from '../support/ledger-world.ts';
import type { RunningProxy } from '../support/proxy-process.ts';
import { eventually } from '../support/wait.ts';

const CLIENTS = 40;
/** Clients cut after each reload. */
const RETURNING = 20;
const ENDLESS = { count: 1_000_000, perSecond: 100 };
/** A proxy that learns of a lost client at its next write has let go of it by the next one. */
const ARGS = ['-drain', '0', '-heartbeat', '1', '-history', '20000'];

const backAgain = async (world: World, connections: number) => {
  await eventually(
    () => world.clients.every((client) => client.receipt.connections >= connections),
    {
      withinMs: 30_000,
      what: 'all clients to be back',
    },
  );
  await world.opened();
};

/** The server has let go of all streams that nobody reads any more. */
const onlyTheirs = (world: World) =>
  eventually(
    async () => {
      await world.settle();
      return world.emitter.emitted.at(-1)!.streams === CLIENTS;
    },
    { withinMs: 20_000, what: `the server to have ${CLIENTS} streams and no other` },
  );

/** Clients of one server behind one proxy, and emits until the fault is over; then the books. */
async function underLoad(
  t: TestContext,
  kind: ProxyKind,
  fault: (world: World, proxy: RunningProxy) => Promise<void>,
): Promise<Account> {
  const { server, proxy, url } = await startBehind(t, kind, { args: ARGS });
  const world = new World(t, server);
  await world.join(url, CLIENTS, { waitMs: () => world.random.below(200) });
  const emitting = world.emitter.run(world.plan, ENDLESS);
  await world.moreAcked(100);
  await fault(world, proxy);
  await world.moreAcked(100);
  world.emitter.stop();
  await emitting;
  await onlyTheirs(world);
  const account = world.audit();
  assert.equal(account.delivered, account.expected);
  assert.equal(account.notices, 0);
  return account;
}

behindEach(
  'R-28 reload - streams go on, who comes back meets the new one, nothing is lost',
  async (t, kind) => {
    const account = await underLoad(t, kind, async (world, proxy) => {
      for (let round = 1; round <= 2; round += 1) {
        await proxy.reload();
        await world.moreAcked(50);
        for (const client of world.clients.slice(0, RETURNING)) client.cut();
        await world.moreAcked(50);
        await world.opened();
      }
    });
    assert.equal(account.connections, CLIENTS + 2 * RETURNING, 'a reload ends no stream');
  },
);

behindEach('R-28 graceful restart - all come back and have what they missed', async (t, kind) => {
  await underLoad(t, kind, async (world, proxy) => {
    await proxy.restart('graceful');
    await backAgain(world, 2);
  });
});

behindEach('R-28 kill - all come back and have what they missed', async (t, kind) => {
  await underLoad(t, kind, async (world, proxy) => {
    for (let round = 1; round <= 2; round += 1) {
      await proxy.restart('kill');
      await backAgain(world, round + 1);
    }
  });
});
