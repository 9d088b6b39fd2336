/** Who is there, as the control port tells it: users, channels, and what an emit says of who is offline. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

interface UserAnswer {
  readonly user: string;
  readonly state: string;
  readonly streams: readonly Record<string, unknown>[];
  readonly next?: string;
}

async function ask<T>({ controlUrl }: RunningServer, path: string, status = 200): Promise<T> {
  const response = await fetch(controlUrl + path);
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  return value as T;
}

const open = (
  t: Owner,
  { eventsUrl }: RunningServer,
  [user, ...channels]: [string, ...string[]],
): Promise<SseClient> => openStream(t, eventsUrl, { headers: bearer(tokenFor(user, channels)) });

const opened = (running: RunningServer, count: number) =>
  eventually(async () => (await statsOf(running.server)).streams === count);

test('presence - a user with its streams: since when, on what, how far', async (t) => {
  const running = await startServer(t);
  const before = Date.now();
  await open(t, running, ['ann', 'news', 'talk']);
  await open(t, running, ['ann', 'news']);
  const { text } = await post(`${running.controlUrl}/emit/`, {
    userId: 'ann',
    channel: 'news',
    data: 'x',
  });
  const { id } = JSON.parse(text) as { id: string };
  await eventually(async () =>
    (await ask<UserAnswer>(running, '/users/ann/')).streams.every(
      ({ position }) => position === id,
    ),
  );
  const answer = await ask<UserAnswer>(running, '/users/ann/');
  assert.deepEqual([answer.user, answer.state, answer.streams.length], ['ann', 'online', 2]);
  for (const stream of answer.streams) {
    const { id: own, since, channels, ...rest } = stream as Record<string, string>;
    assert.equal(typeof own, 'string');
    assert.ok(Date.parse(since!) > before - 1_000 && Date.parse(since!) <= Date.now(), since);
    assert.ok(channels!.includes('news'));
    assert.deepEqual(rest, { position: id, blocked: false });
  }
  assert.deepEqual(await ask(running, '/users/nobody/'), {
    user: 'nobody',
    state: 'offline',
    streams: [],
  });
});

test('presence - streams of one user come in pages', async (t) => {
  const running = await startServer(t);
  for (let i = 0; i < 5; i += 1) await open(t, running, ['a/b', 'news']);
  const ids = new Set<unknown>();
  let next: string | undefined = '';
  while (next !== undefined) {
    const page: UserAnswer = await ask(running, `/users/a%2Fb/?limit=2&cursor=${next}`);
    assert.ok(page.streams.length <= 2);
    for (const { id } of page.streams) ids.add(id);
    next = page.next;
  }
  assert.equal(ids.size, 5);
});

test('presence - many users at once: online, away for the grace, then offline', async (t) => {
  const running = await startServer(t, ['-grace', '1']);
  const states = () => ask(running, '/users/?ids=ann,bob,eve,__proto__');
  const ann = await open(t, running, ['ann', 'news']);
  await open(t, running, ['eve', 'news']);
  const rest = { bob: 'offline', eve: 'online', ['__proto__']: 'offline' };
  await eventually(async () => JSON.stringify(await states()).includes('"ann":"online"'));
  assert.deepEqual(await states(), { ann: 'online', ...rest });
  ann.close();
  await eventually(async () => JSON.stringify(await states()).includes('"ann":"away"'));
  await eventually(async () => JSON.stringify(await states()).includes('"ann":"offline"'));
});

test('presence - channels sorted as asked, in pages, and one with its users', async (t) => {
  const running = await startServer(t);
  for (const [user, channel] of [
    ['ann', 'a'],
    ['ann', 'b'],
    ['ann', 'b'],
    ['bob', 'b'],
  ] as const)
    await open(t, running, [user, channel]);
  await post(`${running.controlUrl}/emit/`, { userId: '*', channel: ['a', 'c'], data: 'x' });
  await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'c', data: 'x' });
  await opened(running, 4);
  interface Listed {
    readonly channels: { name: string; streams: number; entries: number }[];
    readonly next?: string;
  }
  const listed = async (query: string) =>
    (await ask<Listed>(running, `/channels/?${query}`)).channels.map(
      ({ name, streams, entries }) => [name, streams, entries],
    );
  const rows = [
    ['a', 1, 1],
    ['b', 3, 0],
    ['c', 0, 2],
  ];
  assert.deepEqual(await listed(''), rows);
  assert.deepEqual(await listed('sort=streams'), [rows[1], rows[0], rows[2]]);
  assert.deepEqual(await listed('sort=entries'), [rows[2], rows[0], rows[1]]);
  assert.deepEqual(await listed('prefix=c'), [rows[2]]);
  const first = await ask<Listed>(running, '/channels/?sort=streams&limit=1');
  assert.deepEqual(await listed(`sort=streams&limit=1&cursor=${first.next}`), [rows[0]]);
  const { bytes, ...channel } = await ask<Record<string, unknown>>(running, '/channels/b/');
  assert.deepEqual(
    [bytes, channel],
    [
      0,
      {
        channel: 'b',
        streams: 3,
        entries: 0,
        users: [
          { user: 'ann', streams: 2 },
          { user: 'bob', streams: 1 },
        ],
      },
    ],
  );
});

test('presence - questions that cannot be answered say what to do', async (t) => {
  const running = await startServer(t);
  const cases = [
    '/users/',
    '/users/?ids=',
    `/users/?ids=${Array.from({ length: 1_001 }, (_, i) => i).join(',')}`,
    '/users/a/?limit=0',
    '/users/a/?cursor=nonsense',
    '/channels/?sort=size',
    '/channels/?sort=streams&cursor=WyJhIiwiYSJd',
    '/channels/a/?limit=1001',
  ];
  for (const path of cases) {
    const { message } = await ask<{ message: string }>(running, path, 400);
    assert.match(message, /\w/, path);
  }
});

test('presence - streams are ended by user, channel or id, and may come back', async (t) => {
  const running = await startServer(t);
  const clients = [
    await open(t, running, ['ann', 'a']),
    await open(t, running, ['ann', 'b']),
    await open(t, running, ['bob', 'a']),
  ] as const;
  await opened(running, 3);
  const disconnect = async (body: object) => {
    const { status, text } = await post(`${running.controlUrl}/disconnect/`, body);
    return [status, (JSON.parse(text) as { streams: number }).streams];
  };
  assert.deepEqual(await disconnect({ userId: 'ann', channel: 'a' }), [200, 1]);
  await clients[0].end();
  assert.ok(clients[0].retries.at(-1)! >= 1_000 && clients[0].retries.at(-1)! <= 4_000);
  const [{ id }] = (await ask<UserAnswer>(running, '/users/bob/')).streams as [{ id: string }];
  assert.deepEqual(await disconnect({ stream: id }), [200, 1]);
  await clients[2].end();
  assert.deepEqual(await disconnect({ channel: 'nobody' }), [200, 0]);
  assert.deepEqual(await disconnect({}), [400, undefined]);
  assert.deepEqual(await disconnect({ userId: '*' }), [400, undefined], 'not all, and not none');
  assert.equal(clients[1].ended, false);
});

test('presence - an emit names users who are offline, not those away, and nobody for *', async (t) => {
  const running = await startServer(t, ['-grace', '3600']);
  const emit = async (userId: string | string[]) => {
    const { text } = await post(`${running.controlUrl}/emit/`, { userId, channel: 'n', data: 'x' });
    return (JSON.parse(text) as { offline?: string[] }).offline;
  };
  const ann = await open(t, running, ['ann', 'n']);
  await open(t, running, ['bob', 'elsewhere']);
  await opened(running, 2);
  assert.equal(await emit('ann'), undefined);
  assert.equal(await emit('*'), undefined);
  assert.deepEqual(await emit('eve'), ['eve']);
  assert.deepEqual(await emit(['ann', 'bob', 'eve', 'joe']), ['eve', 'joe']);
  ann.close();
  await opened(running, 1);
  assert.equal(await emit('ann'), undefined);
  const many = Array.from({ length: 2_000 }, (_, i) => `u${i}`);
  assert.equal((await emit(many))?.length, 1_000);
});
