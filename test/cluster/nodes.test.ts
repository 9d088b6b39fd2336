/** Two nodes on one NATS server: one order, and the same ids everywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEventId } from '../../src/wire/event-id.ts';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { type RunningServer, startServer, TWO_THREADS } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();

const startNode = (t: Owner, urls: string, args: readonly string[] = []): Promise<RunningServer> =>
  startServer(t, ['-nats', urls, ...args]);

const emit = async (
  { controlUrl }: RunningServer,
  fields: Record<string, string>,
): Promise<{ status: number; id: string; streams: number; error?: string }> => {
  const body = new URLSearchParams({ userId: '*', channel: 'news', payload: 'data: x', ...fields });
  const response = await fetch(`${controlUrl}/emit/`, { method: 'POST', body });
  return {
    status: response.status,
    ...((await response.json()) as { id: string; streams: number }),
  };
};

async function open(
  t: Owner,
  { eventsUrl }: RunningServer,
  lastEventId?: string,
  channel: string | string[] = 'news',
): Promise<SseClient> {
  const from = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const headers = { ...bearer(tokenFor('ann', channel)), ...from };
  const stream = await openStream(t, eventsUrl, { headers });
  await eventually(() => stream.everything.length > 0, { what: 'the opening' });
  return stream;
}

const told = (stream: SseClient): string[] => stream.events.map(({ id, data }) => `${id} ${data}`);

for (const program of NATS_PROGRAMS) {
  test(`nodes - what is emitted on one comes to streams on both, in one order (${program})`, async (t) => {
    const { urls } = await startNats(t, { program });
    const nodes = await Promise.all([startNode(t, urls), startNode(t, urls, TWO_THREADS)]);
    const streams = await Promise.all(nodes.map((node) => open(t, node)));

    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => emit(nodes[i % 2]!, { payload: `data: ${i}` })),
    );

    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.deepEqual(new Set(answers.map(({ streams: count }) => count)), new Set([1]));
    for (const stream of streams) await stream.arrived(200);
    assert.deepEqual(told(streams[0]!), told(streams[1]!));
    const numbers = streams[0]!.events.map(({ id }) => parseEventId(id!)!.n);
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    assert.deepEqual(
      new Set(answers.map(({ id }) => id)),
      new Set(streams[0]!.events.map(({ id }) => id)),
    );
  });
}

test('nodes - a client that was on one resumes on the other, in a node that starts later too', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const [a, b] = await Promise.all([startNode(t, urls), startNode(t, urls, TWO_THREADS)]);
  const first = await emit(a, { payload: 'data: 1' });
  await emit(b, { payload: 'data: 2' });
  await emit(a, { payload: 'data: 3', userId: 'bob' });
  const last = await emit(b, { payload: 'data: 4', userId: 'ann' });
  const c = await startNode(t, urls);

  for (const node of [a, b, c]) {
    const stream = await open(t, node, first.id);
    await stream.arrived(2);
    assert.deepEqual(
      stream.events.map(({ data }) => data),
      ['2', '4'],
    );
    assert.equal(stream.events.at(-1)!.id, last.id);
  }
  const level = await open(t, c, last.id);
  const next = await emit(a, { payload: 'data: 5' });
  assert.equal((await level.next()).id, next.id);
});

test('nodes - a number that is not given out is told to be unknown, unless another node may be ahead', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const a = await startNode(t, urls);
  const { id } = await emit(a, {});
  const ahead = id.replace(/\d+$/, '500');
  const gapOf = async () => {
    const stream = await open(t, a, ahead);
    return stream.everything.find(({ event }) => event === 'tidings.gap')?.data;
  };
  assert.equal(JSON.parse((await eventually(gapOf))!).reason, 'unknown');

  await startNode(t, urls);

  await eventually(async () => (await gapOf()) === undefined, {
    what: 'the other node to be seen',
  });
});

test('nodes - an event for several channels comes once, whatever their names', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const [a, b] = await Promise.all([startNode(t, urls), startNode(t, urls, TWO_THREADS)]);
  const names = [
    'a.b',
    '**',
    '>',
    'x y',
    'Zoë/1',
    '/',
    'a//b',
    '~t',
    '=41',
    '-',
    'a-b/-',
    'ü'.repeat(128),
    'A',
  ];
  const stream = await open(t, b, undefined, names);
  for (const channel of names)
    assert.equal((await emit(a, { channel, payload: `data: ${channel}` })).status, 200);
  const all = new URLSearchParams(names.map((name): [string, string] => ['channel', name]));
  all.set('userId', 'ann');
  all.set('payload', 'data: all');
  const response = await fetch(`${a.controlUrl}/emit/`, { method: 'POST', body: all });
  assert.equal(response.status, 200);

  await stream.arrived(names.length + 1);

  assert.deepEqual(
    stream.events.map(({ data }) => data),
    [...names, 'all'],
  );
});

test('nodes - a restart of both, one after the other, is no gap', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const a = await startNode(t, urls);
  const before = await open(t, a);
  await emit(a, { payload: 'data: 1' });
  const seen = await before.next();
  await a.server.stop();
  const b = await startNode(t, urls);
  await emit(b, { payload: 'data: 2' });
  await b.server.stop();
  const c = await startNode(t, urls);

  const back = await open(t, c, seen.id);

  assert.equal((await back.next()).data, '2');
  assert.equal(
    back.everything.find(({ event }) => event === 'tidings.gap'),
    undefined,
  );
});

test('nodes - without the server streams stay, emits wait, and it is not ready', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await startNode(t, nats.urls);
  const stream = await open(t, node);
  await emit(node, { payload: 'data: 1' });
  await nats.servers[0]!.stop('SIGKILL');
  const waiting = emit(node, { payload: 'data: 2' });
  await eventually(async () => (await fetch(`${node.controlUrl}/readyz`)).status === 503, {
    withinMs: 9_000,
  });
  nats.servers[0]!.start();

  const answer = await waiting;

  assert.ok([200, 503, 504].includes(answer.status), `${answer.status}`);
  await eventually(async () => (await fetch(`${node.controlUrl}/readyz`)).status === 200, {
    withinMs: 9_000,
  });
  assert.equal((await emit(node, { payload: 'data: 3' })).status, 200);
  await eventually(() => stream.events.at(-1)?.data === '3');
  const data = stream.events.map((event) => event.data);
  assert.deepEqual(data, answer.status === 503 ? ['1', '3'] : ['1', '2', '3']);
});

test('nodes - an emit that NATS does not take within its time is refused', { skip }, async (t) => {
  const nats = await startNats(t);
  const node = await startNode(t, nats.urls);
  await nats.servers[0]!.stop('SIGKILL');
  // When it has answered twice, it has seen its connections end before.
  for (let j = 0; j < 2; j += 1) await fetch(`${node.controlUrl}/healthz`);

  const answer = await emit(node, {});

  assert.deepEqual([answer.status, answer.error], [503, 'BACKPLANE_DOWN']);
});
