/** One NATS server and one node: the server is restarted under load, asked to end and killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnyServer } from '../support/ledger-post.ts';
import { World } from '../support/ledger-world.ts';
import { ONE_PROGRAM, startNats, withoutNats } from '../support/nats.ts';
import { spawnServer } from '../support/spawn-server.ts';

const CLIENTS = 50;
const EMITS_PER_SECOND = 200;

withoutNats();
for (const program of ONE_PROGRAM)
  test(`restart - one NATS server, by SIGTERM and by SIGKILL: nothing acknowledged is lost, moved or repeated (${program})`, {
    timeout: 60_000,
  }, async (t) => {
    const { servers, urls } = await startNats(t, { program });
    const node = await spawnServer(t, ['-nats', urls, '-history', '20000']);
    const world = new World(t, node, { way: new AnyServer([node.controlUrl]) });
    await world.join(node.publicUrl, CLIENTS);
    const emitting = world.emitter.run(world.plan, {
      count: Number.MAX_SAFE_INTEGER,
      perSecond: EMITS_PER_SECOND,
    });

    await world.moreAcked(100);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await servers[0]!.stop(signal);
      servers[0]!.start();
      await world.moreAcked(200);
    }
    world.emitter.stop();
    await emitting;
    await world.settle();

    const { notices, delivered, expected, refused, unknown } = world.audit();
    assert.deepEqual([notices, refused, unknown], [0, 0, 0]);
    assert.equal(delivered, expected);
  });
