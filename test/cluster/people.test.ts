/** Who is there, and ending streams, over two nodes: any of them answers for both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { ask, column, openOn, tell, twoNodes } from '../support/nodes.ts';
import { startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';
import { WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

const skip = withoutNats();

for (const program of NATS_PROGRAMS) {
  test(`people - presence is that of all nodes, from each of them (${program})`, async (t) => {
    const { urls } = await startNats(t, { program });
    const [a, b] = await twoNodes(t, urls, ['-grace', '1']);
    await openOn(t, a, 'ann', 'news', 'talk');
    await openOn(t, b, 'bob', 'news');
    const moved = await openOn(t, a, 'eve', 'news');
    await openOn(t, b, 'eve', 'news');
    moved.close();
    const gone = await openOn(t, b, 'joe', 'talk');
    await tell(a, '/emit/', { userId: '*', channel: 'news', data: 'x' });
    for (const node of [a, b]) {
      await eventually(async () => (await ask(node, '/channels/talk/'))['streams'] === 2);
      await eventually(async () => (await ask(node, '/channels/news/'))['streams'] === 3);
      assert.deepEqual(await ask(node, '/users/?ids=ann,bob,eve,joe,sue'), {
        ...{ ann: 'online', bob: 'online', eve: 'online', joe: 'online', sue: 'offline' },
      });
      const { streams, state } = await ask(node, '/users/bob/');
      assert.equal(state, 'online');
      assert.deepEqual(column(streams, 'channels'), [['news']]);
      const news = await ask(node, '/channels/news/');
      assert.deepEqual(news['users'], [
        { user: 'ann', streams: 1 },
        { user: 'bob', streams: 1 },
        { user: 'eve', streams: 1 },
      ]);
      // Each node has the history: it counts once.
      assert.equal(news['entries'], 1);
      for (const sort of ['name', 'streams', 'entries']) {
        const { channels, complete } = await ask(node, `/channels/?sort=${sort}`);
        assert.deepEqual(column(channels, 'name'), ['news', 'talk'], sort);
        assert.deepEqual(column(channels, 'streams'), [3, 2], sort);
        assert.deepEqual(column(channels, 'entries'), [1, 0], sort);
        assert.equal(complete, undefined);
      }
    }
    gone.close();
    for (const state of ['away', 'offline'])
      for (const node of [a, b])
        await eventually(async () => (await ask(node, '/users/joe/'))['state'] === state);
  });
}

test('people - lists of two nodes come in pages, each row once', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const nodes = await twoNodes(t, urls);
  for (const i of [0, 1, 2, 3, 4, 5, 6]) await openOn(t, nodes[i % 2]!, 'ann', `c${i}`, 'all');
  const pages = async (path: string, rows: string, name: string) => {
    const all: unknown[] = [];
    for (let next: unknown = ''; next !== undefined; ) {
      const page = await ask(nodes[0], `${path}limit=2${next === '' ? '' : `&cursor=${next}`}`);
      all.push(...column(page[rows], name));
      next = page['next'];
    }
    return all;
  };
  const ids = await pages('/users/ann/?', 'streams', 'id');
  assert.equal(new Set(ids).size, 7);
  assert.equal(ids.length, 7);
  const names = ['all', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
  assert.deepEqual(await pages('/channels/?', 'channels', 'name'), names);
  assert.deepEqual(await pages('/channels/?sort=streams&', 'channels', 'name'), names);
});

test('people - an emit names who is offline on all nodes', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  await openOn(t, a, 'ann', 'news');
  await openOn(t, b, 'bob', 'news');
  const event = { channel: 'news', data: 'x' };
  const both = { ...event, userId: ['ann', 'bob'] };
  assert.equal((await tell(a, '/emit/', both))['offline'], undefined);
  const all = await tell(b, '/emit/', { ...event, userId: ['ann', 'bob', 'sue'] });
  assert.deepEqual([all['offline'], all['complete']], [['sue'], undefined]);
});

test('people - a receipt knows what another node has given', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const receiver = await webhookReceiver(t);
  const hook = ['-webhook', receiver.url, '-webhook-secret', WEBHOOK_SECRETS[0]!];
  const [a, b] = await twoNodes(t, urls, hook);
  const stream = await openOn(t, b, 'bob', 'news');
  const event = { userId: ['bob', 'sue'], channel: 'news', data: 'x', receipt: { within: 1 } };
  const { id } = await tell(a, '/emit/', event);
  await stream.next();
  const undelivered = () => receiver.told.find(({ type }) => type === 'event.undelivered');
  const told = (await eventually(undelivered))!;
  assert.deepEqual(
    [told.data['id'], told.data['users'], told.data['complete']],
    [id, ['sue'], undefined],
  );
});

test('people - streams are ended wherever they are, all of a user or one', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  const streams = [
    await openOn(t, a, 'ann', 'news'),
    await openOn(t, b, 'ann', 'news'),
    await openOn(t, b, 'ann', 'talk'),
  ];
  const rows = (await ask(a, '/users/ann/'))['streams'] as { id: string; channels: string[] }[];
  const { id } = rows.find(({ channels }) => channels.includes('talk'))!;
  assert.deepEqual(await tell(a, '/disconnect/', { stream: id }), { streams: 1 });
  await eventually(() => streams[2]!.ended);
  for (const stream of ['1', `nobody-${id.split('-')[1]}`])
    assert.deepEqual(await tell(a, '/disconnect/', { stream }), { streams: 0 });
  assert.deepEqual(await tell(b, '/disconnect/', { userId: 'ann' }), { streams: 2 });
  await eventually(() => streams.every(({ ended }) => ended));
  const alone = await startServer(t);
  const other = await openOn(t, alone, 'ann', 'news');
  const [own] = column((await ask(alone, '/users/ann/'))['streams'], 'id');
  assert.deepEqual(await tell(alone, '/disconnect/', { stream: `x-${own}` }), { streams: 0 });
  assert.deepEqual(await tell(alone, '/disconnect/', { stream: own }), { streams: 1 });
  await eventually(() => other.ended);
});

test('people - what became of an event is told from any node', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  const stream = await openOn(t, b, 'ann', 'news');
  const { id } = await tell(a, '/emit/', { userId: 'ann', channel: 'news', data: 'x' });
  await stream.next();
  const verdict = async (query: string) => (await ask(a, `/explain/?${query}`))['verdict'];
  assert.equal(await verdict(`userId=ann&id=${id}`), 'written');
  const [own] = column((await ask(a, '/users/ann/'))['streams'], 'id');
  const { message } = await ask(a, `/explain/?userId=ann&id=${id}`);
  assert.ok(String(message).includes(`stream ${own};`), `${message}: ${own}`);
  stream.close();
  await eventually(async () => (await ask(a, '/users/ann/'))['state'] === 'away');
  assert.equal(await verdict(`userId=ann&id=${id}`), 'written');
  assert.equal(await verdict('userId=ann'), 'away');
  assert.equal(await verdict('userId=bob'), 'not_connected');
});

test('people - what is no message of a node changes nothing', { skip }, async (t) => {
  const { urls, connection } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  const stream = await openOn(t, a, 'ann', 'news');
  const reply = { reply: 'nowhere' };
  for (const subject of ['tidings.n.hb', 'tidings.n.q'])
    for (const strange of ['', '{', 'null', '[]', '{"node":1}', 'x'.repeat(2_000)])
      connection.publish(subject, strange, reply);
  for (const question of [
    { ask: 'end', which: {}, retryMs: [1, 2] },
    { ask: '__proto__' },
    { ask: 'revoke', revocations: [{ kind: 'user', name: 'ann', issuedBefore: 9e9, until: 9e9 }] },
  ])
    connection.publish('tidings.n.q', JSON.stringify({ from: 'x', question }), reply);
  await connection.flush();
  await eventually(
    () => a.log.filter(({ msg }) => /could not be read/.test(String(msg))).length > 9,
  );
  assert.equal((await ask(b, '/users/ann/'))['state'], 'online');
  assert.equal(stream.ended, false);
  assert.deepEqual(await tell(b, '/disconnect/', { userId: 'ann' }), { streams: 1 });
});
