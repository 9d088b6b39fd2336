/** What a receiver is told, signed so that the official library verifies it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { WebhookQueue } from '../../src/webhooks/queue.ts';
import { Webhooks } from '../../src/webhooks/webhooks.ts';
import { post } from '../support/emitting.ts';
import { startServer } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import {
  webhookReceiver as receiver,
  WEBHOOK_SECRETS as SECRETS,
  type Told,
} from '../support/webhook-receiver.ts';

const SILENT = createLogger('silent', { write: () => {} });

const sender = (t: Owner, url: string, maxWaitingBytes = 1_000_000): Webhooks => {
  const retryMs = [10, 20] as const;
  const options = { url, secrets: SECRETS, logger: SILENT, gatherMs: 5, retryMs, maxWaitingBytes };
  const webhooks = new Webhooks(options);
  t.after(() => webhooks.stop());
  return webhooks;
};

test('webhooks - a server tells who comes and goes, after the grace, and not of reconnects', async (t) => {
  const { url, told, faults } = await receiver(t, [SECRETS[0]!]);
  const args = ['-webhook', url, '-webhook-secret', SECRETS[0]!, '-grace', '2'];
  const { eventsUrl } = await startServer(t, args);
  const open = () => openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  (await open()).close();
  const again = await open();
  await eventually(() => told.length === 2);
  again.close();
  await eventually(() => told.length === 4, { withinMs: 15_000 });
  assert.deepEqual(
    told.map(({ seq, type, data }) => [seq, type, data['userId'] ?? data['channel']]).sort(),
    [
      [1, 'user.online', 'ann'],
      [2, 'channel.occupied', 'news'],
      [3, 'user.offline', 'ann'],
      [4, 'channel.vacated', 'news'],
    ],
  );
  assert.deepEqual(faults, []);
});

test('webhooks - an event that no stream took within its time is told of, with who missed it', async (t) => {
  const { url, told, faults } = await receiver(t, [SECRETS[0]!]);
  const args = ['-webhook', url, '-webhook-secret', SECRETS[0]!];
  const { eventsUrl, controlUrl } = await startServer(t, args);
  const ann = await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  await openStream(t, eventsUrl, { headers: bearer(tokenFor('eve', 'elsewhere')) });
  const joe = await openStream(t, eventsUrl, { headers: bearer(tokenFor('joe', 'orders/*')) });
  const receipt = { within: 1 };
  // Taken by a prefix: nobody is told of.
  await post(`${controlUrl}/emit/`, { userId: 'joe', channel: 'orders/7', data: 'x', receipt });
  await joe.next();
  const event = { userId: ['ann', 'bob', 'eve'], channel: 'news', data: 'x', receipt };
  const { text } = await post(`${controlUrl}/emit/`, event);
  await ann.next();
  ann.close();
  const missed = () => told.filter(({ type }) => type === 'event.undelivered');
  await eventually(() => missed().length === 1, { withinMs: 10_000 });
  const { id } = JSON.parse(text) as { id: string };
  const [{ data }] = missed() as [Told];
  assert.deepEqual(data, { id, users: ['bob', 'eve'], channels: ['news'], event: data['event'] });
  assert.match(String(data['event']), /^data: x\n/);
  for (const wrong of [{ userId: '*' }, { receipt: 1 }, { receipt: { within: 0 } }])
    assert.equal((await post(`${controlUrl}/emit/`, { ...event, ...wrong })).status, 400);
  assert.deepEqual(faults, []);
});

test('webhooks - two secrets sign, and while the receiver is down nothing is lost or out of order', async (t) => {
  const { url, told, state, faults, paths } = await receiver(t, SECRETS);
  const webhooks = sender(t, url);
  state.status = 302;
  for (let n = 1; n <= 450; n += 1) webhooks.tell('user.online', { userId: `u${n}` });
  await eventually(() => paths.length >= 3);
  state.status = 200;
  await eventually(() => told.length === 450);
  assert.deepEqual(
    told.map(({ seq }) => seq),
    Array.from({ length: 450 }, (_, n) => n + 1),
  );
  assert.ok(
    paths.every((path) => path === '/hook'),
    'a redirect was followed',
  );
  assert.deepEqual(faults, []);
});

test('webhooks - past the bound exactly one gap, which names what is missing', async (t) => {
  const { url, told, state, paths } = await receiver(t, SECRETS);
  const webhooks = sender(t, url, 60_000);
  state.status = 503;
  webhooks.tell('user.online', { userId: 'first' });
  await eventually(() => paths.length >= 1);
  for (let n = 0; n < 2_000; n += 1) webhooks.tell('user.online', { userId: `u${n}` });
  state.status = 200;
  await eventually(() => told.at(-1)?.seq === 2_001);
  const gaps = told.filter(({ type }) => type === 'webhook.gap');
  assert.equal(gaps.length, 1);
  const { from, to } = gaps[0]!.data as { from: number; to: number };
  const seen = told.filter(({ type }) => type !== 'webhook.gap').map(({ seq }) => seq);
  const expected = Array.from({ length: 2_001 }, (_, n) => n + 1);
  assert.deepEqual(
    seen,
    expected.filter((seq) => seq < from || seq > to),
  );
});

test('webhooks - a receiver that is gone is asked no more', async (t) => {
  const { url, state, paths } = await receiver(t, SECRETS);
  const webhooks = sender(t, url);
  state.status = 410;
  webhooks.tell('user.online', { userId: 'a' });
  await eventually(() => paths.length === 1);
  const other = sender(t, url.replace('/hook', '/other'));
  other.tell('user.online', { userId: 'b' });
  await eventually(() => paths.includes('/other'));
  webhooks.tell('user.online', { userId: 'c' });
  const third = sender(t, url.replace('/hook', '/third'));
  third.tell('user.online', { userId: 'd' });
  await eventually(() => paths.includes('/third'));
  assert.deepEqual(paths, ['/hook', '/other', '/third']);
  const { dropped, sent, waiting } = webhooks.measures;
  assert.deepEqual([dropped, sent, waiting], [2, 0, 0], 'what nobody was told is counted');
});

test('webhooks - a request has 256 KB at most, in whatever script its events are', () => {
  const queue = new WebhookQueue(16_777_216);
  for (let n = 0; n < 3; n += 1) queue.push('a', { event: '\u5b57'.repeat(50_000) });
  assert.equal(queue.take(100).length, 1);
});

test('webhooks - what is in flight is never part of a gap', () => {
  const queue = new WebhookQueue(1_000);
  queue.push('a', {});
  assert.equal(queue.take(100).length, 1);
  for (let n = 0; n < 20; n += 1) queue.push('a', {});
  queue.delivered();
  const rest = queue.take(100);
  assert.equal(rest[0]!.type, 'webhook.gap');
  assert.equal(rest[0]!.data['from'], 2);
});

test('webhooks - what waits when the server stops is handed over before it is gone', async (t) => {
  const { url, told } = await receiver(t, [SECRETS[0]!]);
  const args = ['-webhook', url, '-webhook-secret', SECRETS[0]!];
  const { eventsUrl, server } = await startServer(t, args);
  await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  await server.stop(); // well within the second in which events are gathered
  assert.deepEqual(
    told.map(({ type }) => type),
    ['user.online', 'channel.occupied'],
  );
});

test('webhooks - what is not taken until the server has stopped is counted, and told first after the next start', async (t) => {
  const { url, told, paths, state } = await receiver(t, [SECRETS[0]!]);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-webhooks-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const snapshot = ['-snapshot', join(folder, 'log')];
  const args = ['-webhook', url, '-webhook-secret', SECRETS[0]!, ...snapshot];
  state.status = 0;
  const first = await startServer(t, args);
  await openStream(t, first.eventsUrl, { headers: bearer(tokenFor('ann')) });
  await eventually(() => paths.length > 0);
  first.server.hasten(); // as a second signal does
  await first.server.stop();
  const middle = await startServer(t, args);
  const [line] = first.log.filter(({ msg }) => String(msg).includes('before the server stopped'));
  assert.equal(line?.['events'], 2);
  // Again nobody takes it: it is not forgotten.
  await eventually(() => paths.length > 1);
  middle.server.hasten();
  await middle.server.stop();
  state.status = 200;
  const last = await startServer(t, args);
  await openStream(t, last.eventsUrl, { headers: bearer(tokenFor('bob')) });
  await eventually(() => told.length >= 3);
  assert.deepEqual(
    told.slice(0, 2).map(({ seq, type, data }) => ({ seq, type, data })),
    [
      { seq: 1, type: 'webhook.gap', data: { beforeStart: 2 } },
      { seq: 2, type: 'user.online', data: { userId: 'bob' } },
    ],
  );
});

test('webhooks - a gap from before the start is kept in one that it overflows into', () => {
  const queue = new WebhookQueue(1_000);
  queue.pushMissed(7);
  assert.equal(queue.untoldCount, 7);
  for (let n = 0; n < 20; n += 1) queue.push('a', {});
  const [gap] = queue.take(100);
  const { from, beforeStart } = gap!.data;
  assert.deepEqual([gap!.type, from, beforeStart], ['webhook.gap', 1, 7]);
});
