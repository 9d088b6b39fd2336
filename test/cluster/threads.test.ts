/** Nodes with several threads: one order for all of them, exact counts, and no more than they can take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { Backplane } from '../../src/nats/backplane.ts';
import { startNats, withoutNats } from '../support/nats.ts';
import { emptyStore } from '../support/replica.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { emit, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();

test('threads - streams in the threads of two nodes get all, in one order, and each answer counts its own node', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const args = ['-nats', urls, '-threads', '2'];
  const [a, b] = (await Promise.all([startServer(t, args), startServer(t, args)])) as [
    RunningServer,
    RunningServer,
  ];
  const open = (node: RunningServer, id?: string) =>
    openStream(t, node.eventsUrl, {
      headers: {
        ...bearer(tokenFor('ann', 'news')),
        ...(id === undefined ? {} : { 'last-event-id': id }),
      },
    });
  const ofA = await Promise.all(Array.from({ length: 12 }, () => open(a)));
  const ofB = await Promise.all(Array.from({ length: 5 }, () => open(b)));
  await eventually(() => [...ofA, ...ofB].every(({ everything }) => everything.length > 0));

  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      emit((i % 2 === 0 ? a : b).controlUrl, {
        userId: i % 3 === 0 ? 'ann' : '*',
        channel: 'news',
        payload: `data: ${i}`,
      }),
    ),
  );

  const counts = answers.map(({ body }, i) => [i % 2, body['streams']].join());
  assert.deepEqual(new Set(counts), new Set(['0,12', '1,5']));
  const all = [...ofA, ...ofB];
  await Promise.all(all.map((stream) => stream.arrived(60)));
  const told = all.map(({ events }) => events.map(({ id, data }) => `${id} ${data}`));
  for (const one of told) assert.deepEqual(one, told[0]);
  const back = await open(b, ofA[0]!.events[20]!.id);
  await back.arrived(39);
  assert.deepEqual(
    back.events.map(({ id, data }) => `${id} ${data}`),
    told[0]!.slice(21),
  );
});

test('threads - a node that starts later has what was emitted before, in each thread', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const args = ['-nats', urls, '-threads', '2'];
  const first = await spawnServer(t, args);
  const fields = { userId: '*', channel: 'news' };
  const ids: unknown[] = [];
  for (let i = 0; i < 5; i += 1)
    ids.push((await emit(first.controlUrl, { ...fields, payload: `data: ${i}` })).body['id']);
  const second = await spawnServer(t, args);
  const headers = { ...bearer(tokenFor('ann', 'news')), 'last-event-id': String(ids[1]) };
  for (let i = 0; i < 8; i += 1) {
    const stream = await openStream(t, `${second.publicUrl}/events/`, { headers });
    await stream.arrived(3);
    assert.deepEqual(
      stream.events.map(({ data }) => data),
      ['2', '3', '4'],
    );
  }
});

test('threads - while they are behind no more is asked for, and nothing is lost', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const open = async () => {
    const backplane = await Backplane.open({
      address: { servers: nats.urls.split(','), creds: '', ca: '', cert: '', key: '' },
      policy: { replicas: 1, historySeconds: 300, maxBytes: 100_000_000 },
      logger: createLogger('silent', { write: () => {} }),
      failed: (error) => {
        throw error;
      },
    });
    t.after(() => backplane.close());
    return backplane;
  };
  const source = await open();
  await source.follow(emptyStore());
  const behind = await open();
  const numbers: number[] = [];
  let isBehind = false;
  await behind.follow({
    ...emptyStore(),
    get isBehind() {
      return isBehind;
    },
    append: (entries) => {
      numbers.push(...entries.map(({ n }) => n));
      isBehind ||= numbers.length === 500;
    },
  });

  const count = 4_000;
  const emits = Array.from({ length: count }, (_, i) =>
    source.publish({ to: undefined, channels: ['news'], body: `data: ${i}\n` }),
  );
  await Promise.all(emits);
  await eventually(() => isBehind);
  await source.publish({ to: undefined, channels: ['news'], body: 'data: last\n' });
  const whileBehind = numbers.length;
  isBehind = false;
  await eventually(() => numbers.length > count, { withinMs: 10_000 });

  assert.equal(whileBehind, 500);
  assert.deepEqual(
    numbers,
    Array.from({ length: count + 1 }, (_, i) => i + 1),
  );
});
