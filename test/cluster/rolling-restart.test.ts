/** Both nodes are replaced, one after the other, while emits go on: nobody has to be told anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster } from '../support/cluster.ts';
import { AnyServer } from '../support/ledger-post.ts';
import { World } from '../support/ledger-world.ts';
import { ONE_PROGRAM, withoutNats } from '../support/nats.ts';
import { eventually } from '../support/wait.ts';

const CLIENTS = 200;
const EMITS_PER_SECOND = 200;
const DRAIN_SECONDS = 1;

withoutNats();
for (const program of ONE_PROGRAM)
  test(`rolling restart - both nodes, by SIGTERM with a drain, under load: no gap, nothing lost, nothing twice (${program})`, {
    timeout: 90_000,
  }, async (t) => {
    const { nodes } = await startCluster(t, ['-drain', String(DRAIN_SECONDS)], program);
    const urls = nodes.map(({ now }) => now.publicUrl);
    const way = new AnyServer(nodes.map(({ now }) => now.controlUrl));
    const world = new World(t, nodes[0].now, { way, hasPrefixes: true });
    const waitMs = () => world.random.below(200);
    await world.join(urls[0]!, CLIENTS / 2, { waitMs, others: [urls[1]!] });
    await world.join(urls[1]!, CLIENTS / 2, { waitMs, others: [urls[0]!] });
    const emitting = world.emitter.run(world.plan, {
      count: Number.MAX_SAFE_INTEGER,
      perSecond: EMITS_PER_SECOND,
    });

    await world.moreAcked(200);
    for (const node of nodes) {
      const before = world.emitter.acked;
      assert.equal(await node.now.stop(), 0);
      assert.ok(world.emitter.acked > before, 'emits go on through the other node');
      await node.again();
      await eventually(() => node.isReady, { withinMs: 15_000, what: 'the next node' });
      await world.moreAcked(200);
    }
    world.emitter.stop();
    await emitting;
    await world.opened();
    await world.settle();

    const { notices, delivered, expected, refused, unknown, connections } = world.audit();
    assert.deepEqual([notices, refused, unknown], [0, 0, 0]);
    assert.equal(delivered, expected);
    assert.ok(connections >= 2 * CLIENTS, 'each client came back at least once');
    t.diagnostic(`${way.repeated} emits were sent more than once`);
  });
