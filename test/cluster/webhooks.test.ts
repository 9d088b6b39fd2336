/** What a receiver is told of several nodes: once, by one of them, also when that one is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startNats, withoutNats } from '../support/nats.ts';
import { acquainted, ask, openOn, twoNodes } from '../support/nodes.ts';
import { startServer } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';
import { eventually } from '../support/wait.ts';
import { type Receiver, WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

const skip = withoutNats();

async function receiver(t: Owner) {
  const there = await webhookReceiver(t);
  const args = ['-webhook', there.url, '-webhook-secret', WEBHOOK_SECRETS[0]!, '-grace', '1'];
  return { there, args };
}

/** What was told for the first time. */
const firstTold = ({ told }: Receiver): string[] =>
  told
    .filter(({ data }) => data['again'] === undefined)
    .map(({ type, data }) => `${type} ${data['userId'] ?? data['channel'] ?? ''}`);

const isTold = (there: Receiver, what: string): Promise<boolean> =>
  eventually(() => firstTold(there).includes(what), { withinMs: 25_000, what });

/** Names of the nodes that told, in the order in which they began. */
const tellers = ({ requests }: Receiver): unknown[] => [
  ...new Set(requests.map(({ body }) => (JSON.parse(body) as { node?: string }).node)),
];

test('webhooks - of two nodes one tells: a user who is on either is told once, and gone when on none', {
  skip,
}, async (t) => {
  const { urls, connection } = await startNats(t);
  const { there, args } = await receiver(t);
  const [a, b] = await twoNodes(t, urls, args);
  // From a node that was never heard to live, and from nobody.
  const changes = [{ what: 'user', name: 'stranger', isHere: true }];
  for (const strange of [{ node: 'nobody', n: 1, changes }, { node: 'nobody' }])
    connection.publish('tidings.n.b', JSON.stringify(strange));
  await connection.flush();
  const first = await openOn(t, a, 'ann', 'news');
  const second = await openOn(t, b, 'ann', 'news');
  await isTold(there, 'channel.occupied news');
  first.close();
  await eventually(async () => {
    const { streams } = await ask(b, '/channels/news/');
    return streams === 1;
  });
  second.close();
  await isTold(there, 'channel.vacated news');
  assert.deepEqual(firstTold(there).sort(), [
    ...['channel.occupied news', 'channel.vacated news'],
    ...['user.offline ann', 'user.online ann'],
  ]);
  assert.deepEqual(
    there.told.map(({ seq }) => seq),
    there.told.map((_, i) => i + 1),
  );
  assert.equal(tellers(there).length, 1);
  assert.deepEqual(there.faults, []);
});

test('webhooks - when the node that tells is stopped or killed the next one goes on, and nobody is told of twice unawares', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const { there, args } = await receiver(t);
  const nodeArgs = ['-nats', urls, ...args];
  const first = await spawnServer(t, [...nodeArgs, '-drain', '1']);
  const second = await spawnServer(t, nodeArgs);
  const third = await startServer(t, nodeArgs);
  await acquainted([first, second, third]);
  await openOn(t, first, 'ann', 'a');
  await openOn(t, second, 'bob', 'b');
  const eve = await openOn(t, third, 'eve', 'c');
  await isTold(there, 'channel.occupied c');
  assert.equal(tellers(there).length, 1);

  const stopped = first.stop();
  await eventually(() => first.log().some(({ msg }) => msg === 'draining'));
  await openOn(t, third, 'joe', 'c');
  await isTold(there, 'user.online joe');
  // Not by the one that leaves.
  assert.equal(tellers(there).length, 2);
  assert.equal(await stopped, 0);
  await isTold(there, 'user.offline ann');
  assert.equal(firstTold(there).filter((what) => what.startsWith('webhook.gap')).length, 0);

  second.process.kill('SIGKILL');
  eve.close();
  await isTold(there, 'user.offline bob');
  // Nobody knows whether the node that was killed has told it.
  await eventually(() =>
    there.told.some(({ type, data }) => type === 'user.offline' && data['userId'] === 'eve'),
  );
  await isTold(there, 'channel.vacated b');
  const all = firstTold(there);
  assert.equal(new Set(all).size, all.length, all.join());
  const gap = there.told.find(({ type }) => type === 'webhook.gap');
  assert.deepEqual(gap?.data, { lostNode: tellers(there)[1] });
  assert.equal(tellers(there).length, 3);
});

test('webhooks - who came to a node that was cut off is told when it is back', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const { there, args } = await receiver(t);
  const way = await FaultProxy.open(t, nats.urls.replace('nats:', 'http:'));
  const a = await startServer(t, ['-nats', nats.urls, ...args]);
  const b = await startServer(t, ['-nats', way.url.replace('http:', 'nats:'), ...args]);
  await acquainted([a, b]);
  const left = await openOn(t, b, 'ann', 'news');
  await isTold(there, 'user.online ann');
  way.fault = () => () => {};
  way.cutAll();
  await openOn(t, b, 'bob', 'news');
  left.close();
  await openOn(t, a, 'eve', 'news');
  await isTold(there, 'user.online eve');
  assert.ok(!firstTold(there).includes('user.online bob'));

  way.fault = () => (chunk, client) => void client.write(chunk);
  way.cutAll();

  await isTold(there, 'user.online bob');
  await isTold(there, 'user.offline ann');
  const all = firstTold(there);
  assert.equal(new Set(all).size, all.length, all.join());
  assert.equal(tellers(there).length, 1);
});
