/** Events that NATS has sent and a node has not got: they are asked for again, the newest of all too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ONE_PROGRAM, startNats, withoutNats } from '../support/nats.ts';
import { withoutEvents } from '../support/nats-drops.ts';
import { NatsLinks } from '../support/nats-links.ts';
import { Random } from '../support/prng.ts';
import { emit, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** One event of so many is lost. */
const ONE_OF = 50;
const EVENTS = 500;
const AT_A_TIME = 20;

withoutNats();
for (const program of ONE_PROGRAM)
  test(`lost on the way - one event of fifty, and the last: streams get all, in order and once (${program})`, {
    timeout: 60_000,
  }, async (t) => {
    const nats = await startNats(t, { program });
    const links = await NatsLinks.open(t, nats);
    const random = new Random();
    let isLast = false;
    let lost = 0;
    links.filter = () =>
      withoutEvents(() => {
        const isLost = isLast || random.below(ONE_OF) === 0;
        lost += isLost ? 1 : 0;
        isLast = false;
        return isLost;
      });
    const sender = await spawnServer(t, ['-nats', nats.urls]);
    const node = await spawnServer(t, ['-nats', links.urls]);
    const headers = bearer(tokenFor('ann', 'news'));
    const stream = await openStream(t, `${node.publicUrl}/events/`, { headers });
    await eventually(() => stream.everything.length > 0, { what: 'the opening' });

    const send = async (data: string) => {
      const fields = { userId: '*', channel: 'news', payload: `data: ${data}` };
      assert.equal((await emit(sender.controlUrl, fields)).status, 200);
    };
    for (let i = 0; i < EVENTS; i += AT_A_TIME)
      await Promise.all(Array.from({ length: AT_A_TIME }, (_, j) => send(`${i + j}`)));
    const what = `all events (seed ${random.seed})`;
    await eventually(() => stream.events.length >= EVENTS, { withinMs: 20_000, what });
    const lostBefore = lost;
    isLast = true;
    await send('last');
    await eventually(() => stream.events.length > EVENTS, { withinMs: 15_000, what });

    assert.ok(lostBefore > 0 && lost > lostBefore, `${lostBefore} of ${lost} lost`);
    t.diagnostic(`${lost} lost`);
    assert.equal(stream.events.at(-1)!.data, 'last');
    const numbers = stream.events.map(({ id }) => Number(id!.split('-')[1]));
    assert.deepEqual(
      numbers,
      Array.from({ length: EVENTS + 1 }, (_, i) => i + 1),
      `each once, in order (seed ${random.seed})`,
    );
    assert.equal(new Set(stream.events.map(({ data }) => data)).size, EVENTS + 1);
  });
