/** A black hole between a node and NATS that begins while a stream is being given what it missed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { NatsLinks } from '../support/nats-links.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** Of 4 KB: many answers of NATS, of which the first few are on their way at a time. */
const EVENTS = 2_000;
const AT_A_TIME = 100;
const DATA = 'x'.repeat(4_000);

async function sendMany({ controlUrl }: SpawnedServer, first: number, count: number) {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  const response = await fetch(`${controlUrl}/emit/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(
      numbers.map((n) => ({ userId: '*', channel: 'news', data: `${n} ${DATA}` })),
    ),
  });
  assert.equal(response.status, 200, await response.text());
}

test('black hole - begins while a stream gets what it missed: it gets all of it, and what came meanwhile', {
  skip: withoutNats(),
  timeout: 60_000,
}, async (t) => {
  const nats = await startNats(t, { program: NATS_PROGRAMS[0]! });
  const links = await NatsLinks.open(t, nats);
  const sender = await spawnServer(t, ['-nats', nats.urls]);
  const node = await spawnServer(t, ['-nats', links.urls, '-history', '2']);
  const isReady = async () => (await fetch(`${node.controlUrl}/readyz`)).status === 200;
  for (let n = 1; n <= EVENTS; n += AT_A_TIME) await sendMany(sender, n, AT_A_TIME);
  const live = await openStream(t, `${node.publicUrl}/events/`, { headers: bearer(tokenFor('b')) });
  await eventually(() => live.everything.length > 0, { what: 'the opening' });
  const epoch = live.everything[0]!.id!.split('-')[0];

  const headers = { ...bearer(tokenFor('ann')), 'last-event-id': `${epoch}-1` };
  const stream = await openStream(t, `${node.publicUrl}/events/`, { headers });
  await stream.arrived(1);
  links.set('hole');
  await sendMany(sender, EVENTS + 1, AT_A_TIME);
  await eventually(async () => !(await isReady()), {
    withinMs: 15_000,
    what: 'the node to notice',
  });
  const before = stream.events.length;
  links.set('whole');

  const all = EVENTS + AT_A_TIME;
  await eventually(() => stream.events.at(-1)?.data.startsWith(`${all} `), {
    withinMs: 30_000,
    what: 'the last event',
  });
  assert.ok(before < EVENTS - 1, `${before} before the hole was over: it began too late`);
  t.diagnostic(`${before} of ${all} came before it`);
  assert.deepEqual(
    stream.events.map(({ data }) => Number.parseInt(data, 10)),
    Array.from({ length: all - 1 }, (_, i) => i + 2),
  );
});
