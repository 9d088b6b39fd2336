/** Tokens that are revoked: their streams end at once, and what comes back is sent away for good. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const now = (): number => Math.floor(Date.now() / 1_000);

const issued = (user: string, iat: number, jti?: string): string =>
  tokenFor(user, 'news', { claims: { iat, jti } });

const open = (t: Owner, { eventsUrl }: RunningServer, token: string) =>
  openStream(t, eventsUrl, { headers: bearer(token) });

async function revoke({ controlUrl }: RunningServer, body: object, status = 200) {
  const reply = await post(`${controlUrl}/revoke/`, body);
  assert.equal(reply.status, status, reply.text);
  return JSON.parse(reply.text) as Record<string, unknown>;
}

const listed = async ({ controlUrl }: RunningServer, query = '') =>
  (await (await fetch(`${controlUrl}/revocations/?${query}`)).json()) as {
    revocations: Record<string, unknown>[];
    next?: string;
  };

test('revocations - the streams of a user end at once, come back to 204, and a new token is good', async (t) => {
  const running = await startServer(t);
  const old = issued('ann', now() - 10);
  const streams = [await open(t, running, old), await open(t, running, old)];
  const bob = await open(t, running, issued('bob', now() - 10));
  const since = now() - 5;
  const answer = await revoke(running, { userId: 'ann', issuedBefore: since, ttl: 60 });
  const { until, ...rest } = answer as { until: number };
  assert.deepEqual(rest, { userId: 'ann', issuedBefore: since, streams: 2 });
  assert.ok(until >= now() + 118 && until <= now() + 122, 'and what clocks may differ');
  for (const stream of streams) await stream.end();
  const back = await open(t, running, old);
  await back.end();
  assert.deepEqual([back.status, back.text], [204, '']);
  const head = await fetch(running.eventsUrl, { method: 'HEAD', headers: bearer(old) });
  assert.equal(head.status, 204);
  const without = await open(t, running, tokenFor('ann'));
  assert.equal(without.status, 204);
  assert.equal((await open(t, running, issued('ann', now()))).status, 200);
  assert.equal(bob.ended, false);
});

test('revocations - without a moment, all that were made until now', async (t) => {
  const running = await startServer(t);
  const stream = await open(t, running, issued('ann', now()));
  assert.equal((await revoke(running, { userId: 'ann' }))['streams'], 1);
  await stream.end();
});

test('revocations - one token by its id', async (t) => {
  const running = await startServer(t);
  const one = await open(t, running, issued('ann', now(), 'one'));
  const two = await open(t, running, issued('ann', now(), 'two'));
  const { until: _, ...answer } = await revoke(running, { tokenId: 'one', ttl: 60 });
  assert.deepEqual(answer, { tokenId: 'one', streams: 1 });
  await one.end();
  assert.equal((await open(t, running, issued('ann', now(), 'one'))).status, 204);
  assert.equal(two.ended, false);
});

test('revocations - in the middle of a storm of reconnects: no event after it', async (t) => {
  const running = await startServer(t);
  const token = issued('ann', now() - 10);
  const attempts: Promise<{ status: number; text: string }>[] = [];
  const connect = () => attempts.push(open(t, running, token));
  for (let i = 0; i < 150; i += 1) connect();
  const revoked = revoke(running, { userId: 'ann', ttl: 60 });
  for (let i = 0; i < 150; i += 1) connect();
  await revoked;
  await post(`${running.controlUrl}/emit/`, { userId: 'ann', channel: 'news', data: 'secret' });
  for (let i = 0; i < 20; i += 1) connect();
  const clients = await Promise.all(attempts);
  await eventually(async () => (await statsOf(running.server)).streams === 0);
  for (const { text } of clients) assert.ok(!text.includes('secret'), text);
  assert.ok(clients.slice(-20).every(({ status }) => status === 204));
});

test('revocations - are listed in pages, and a restart with a snapshot remembers them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-revoked-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['-snapshot', join(folder, 'log')];
  const first = await startServer(t, args);
  for (const userId of ['bob', 'ann']) await revoke(first, { userId, ttl: 600 });
  await revoke(first, { tokenId: 'x y', ttl: 600 });
  const page = await listed(first, 'limit=2');
  const rest = await listed(first, `limit=2&cursor=${page.next}`);
  const all = [...page.revocations, ...rest.revocations];
  assert.deepEqual([page.revocations.length, rest.next], [2, undefined]);
  assert.deepEqual(all.map(({ userId, tokenId }) => userId ?? tokenId).sort(), [
    'ann',
    'bob',
    'x y',
  ]);
  await first.server.stop();
  const second = await startServer(t, args);
  assert.deepEqual((await listed(second)).revocations, all);
  assert.equal((await open(t, second, issued('ann', now() - 10))).status, 204);
});

test('revocations - their order is that of no language: none is left out between two pages', async (t) => {
  const running = await startServer(t);
  // In a locale the second is the third, and comes before the first.
  const names = ['Z', 'a\u0301', '\u00e1', 'é', 'z'].sort();
  for (const userId of names.toReversed()) await revoke(running, { userId, ttl: 60 });
  const found: unknown[] = [];
  let next: string | undefined = '';
  while (next !== undefined) {
    const page: Awaited<ReturnType<typeof listed>> = await listed(
      running,
      `limit=1&cursor=${next}`,
    );
    found.push(...page.revocations.map(({ userId }) => userId));
    next = page.next;
  }
  assert.deepEqual(found, names);
});

test('revocations - what is not understood revokes nothing', async (t) => {
  const running = await startServer(t);
  for (const body of [
    {},
    { userId: 'ann', tokenId: 'x' },
    { userId: '' },
    { userId: '*' },
    { tokenId: '' },
    { tokenId: 'x'.repeat(257) },
    { userId: 'ann', ttl: 0 },
    { userId: 'ann', ttl: '60' },
    { userId: 'ann', issuedBefore: 'yesterday' },
    { userId: 'ann', issuedBefore: Date.now() * 1_000 },
  ])
    await revoke(running, body, 400);
  const messageTo = async (body: object) => (await revoke(running, body, 400))['message'];
  assert.match(String(await messageTo({ userId: '*' })), /is nobody: .*change the secret/);
  assert.match(String(await messageTo({ userId: 'ann', tokenId: 'x' })), /not both/);
  assert.deepEqual(await listed(running), { revocations: [] });
});
