/** What became of an event: each verdict, from a server in which it is so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERDICTS } from '../../src/control/verdict.ts';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type OpenOptions, type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const shown = new Set<string>();

async function verdictOf({ controlUrl }: RunningServer, userId: string, id?: string) {
  const query = new URLSearchParams(id === undefined ? { userId } : { userId, id });
  const response = await fetch(`${controlUrl}/explain/?${query}`);
  const { verdict, message, next } = (await response.json()) as Record<string, string>;
  assert.ok(message !== '' && next !== '');
  shown.add(verdict!);
  return verdict;
}

async function emit({ controlUrl }: RunningServer, userId: string, channel = 'news', data = 'x') {
  const { text } = await post(`${controlUrl}/emit/`, { userId, channel, data });
  return (JSON.parse(text) as { id: string }).id;
}

const open = (t: Owner, { eventsUrl }: RunningServer, token: string, options: OpenOptions = {}) =>
  openStream(t, eventsUrl, { ...options, headers: { ...bearer(token), ...options.headers } });

const opened = (running: RunningServer, count: number) =>
  eventually(async () => (await statsOf(running.server)).streams === count);

test('explain - of an open stream: written, another channel, another user, before it came', async (t) => {
  const running = await startServer(t);
  const early = await emit(running, '*');
  const stream = await open(t, running, tokenFor('ann', ['news', 'b']));
  const id = await emit(running, 'ann');
  await stream.next();
  const cases = [
    [id, 'written'],
    [undefined, 'written'],
    [early, 'before_connect'],
    [await emit(running, 'ann', 'elsewhere'), 'channel_not_in_token'],
    [await emit(running, 'bob'), 'other_user'],
    ['zzz-1', 'unknown_id'],
    ['strange', 'unknown_id'],
    [id.replace(/-.*/, '-999'), 'unknown_id'],
  ] as const;
  for (const [asked, expected] of cases)
    assert.equal(await verdictOf(running, 'ann', asked), expected, asked);
  stream.close();
  await opened(running, 0);
  assert.equal(await verdictOf(running, 'ann', id), 'written', 'by a stream that is closed');
});

test('explain - a replay counts as written', async (t) => {
  const running = await startServer(t);
  const first = await emit(running, '*');
  const id = await emit(running, 'ann');
  const stream = await open(t, running, tokenFor('ann'), { headers: { 'last-event-id': first } });
  await stream.next();
  assert.equal(await verdictOf(running, 'ann', id), 'written');
});

test('explain - who is away, and who is not connected', async (t) => {
  const running = await startServer(t, ['-grace', '1']);
  const stream = await open(t, running, tokenFor('ann'));
  await opened(running, 1);
  stream.close();
  await opened(running, 0);
  const id = await emit(running, 'ann');
  assert.equal(await verdictOf(running, 'ann', id), 'away');
  await eventually(async () => (await verdictOf(running, 'ann', id)) === 'not_connected');
  assert.equal(await verdictOf(running, 'nobody'), 'not_connected');
});

test('explain - one that is stuck lets the event wait', async (t) => {
  const running = await startServer(t, ['-stall', '60', '-memory', '64']);
  const stream = await open(t, running, tokenFor('ann'));
  stream.pause();
  let id = '';
  for (let i = 0; i < 16; i += 1) id = await emit(running, 'ann', 'news', 'x'.repeat(900_000));
  await eventually(async () => (await statsOf(running.server)).blockedStreams === 1);
  assert.equal(await verdictOf(running, 'ann', id), 'waiting');
  assert.equal(await verdictOf(running, 'ann'), 'waiting');
});

test('explain - what is gone from the history, and who was told so', async (t) => {
  const running = await startServer(t, ['-history', '2']);
  const [first, lost] = [await emit(running, '*'), await emit(running, '*')];
  for (let i = 0; i < 5; i += 1) await emit(running, '*');
  assert.equal(await verdictOf(running, 'ann', lost), 'evicted');
  const stream = await open(t, running, tokenFor('ann'), { headers: { 'last-event-id': first } });
  await eventually(() => stream.text.includes('tidings.gap'));
  assert.equal(await verdictOf(running, 'ann', lost), 'gap_told');
});

test('explain - a token that expired, was revoked, or met a limit', async (t) => {
  const running = await startServer(t, ['-max-streams', '1']);
  const brief = await open(t, running, tokenFor('ann', 'news', { expiresIn: 2 }));
  await open(t, running, tokenFor('eve'));
  const id = await emit(running, 'eve');
  await emit(running, '*');
  assert.equal(await verdictOf(running, 'eve', id), 'refused');
  await brief.end({ withinMs: 10_000 });
  assert.equal(await verdictOf(running, 'ann', await emit(running, 'ann')), 'token_expired');
  const bob = await open(t, running, tokenFor('bob'));
  await post(`${running.controlUrl}/revoke/`, { userId: 'bob', ttl: 60 });
  await bob.end();
  assert.equal(await verdictOf(running, 'bob', await emit(running, 'bob')), 'revoked');
  assert.equal((await open(t, running, tokenFor('bob'))).status, 204);
  assert.equal(await verdictOf(running, 'bob'), 'revoked');
});

test('explain - a token that had expired before it came, unless it was never good', async (t) => {
  const running = await startServer(t);
  const stale = { expiresIn: -10 };
  assert.equal((await open(t, running, tokenFor('ann', 'news', stale))).status, 401);
  const id = await emit(running, 'ann');
  assert.equal(await verdictOf(running, 'ann', id), 'token_expired');
  for (const token of [
    `${tokenFor('bob', 'news', stale)}x`,
    tokenFor('bob', [], stale),
    tokenFor('bob', 'news', { ...stale, claims: { nbf: Date.now() } }),
  ])
    assert.equal((await open(t, running, token)).status, 401);
  assert.equal(await verdictOf(running, 'bob'), 'not_connected');
  const stream = await open(t, running, tokenFor('ann'));
  await opened(running, 1);
  stream.close();
  await opened(running, 0);
  assert.equal(await verdictOf(running, 'ann'), 'away', 'what came last counts');
});

test('explain - every verdict of the list was shown', () => {
  assert.deepEqual([...shown].sort(), [...VERDICTS].sort());
});
