/** `/openapi.json`: a document of OpenAPI 3.2 that says what there is, all of it, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import { controlEndpoints, endpointKey } from '../../src/openapi/document.ts';
import { SENT_CODES } from '../../src/openapi/schemas.ts';
import { checkerOf, contractOf, faultsOf } from '../support/contract.ts';
import { emitRaw, post } from '../support/emitting.ts';
import { startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** Said of paths and ports, not of single endpoints. */
const OF_NO_ENDPOINT = ['NOT_FOUND', 'METHOD_NOT_ALLOWED'];

/** Switches on every route that a server does not always have. */
const EVERYTHING = ['-dev', '-ctl-token', 'secret', '-query-token'];

const METHODS = ['get', 'post', 'put', 'delete', 'patch'];

const HOW =
  'describe it in a file of src/openapi, as src/openapi/document.ts says, and in docs/reference.md';

test('contract - every route is described, and everything described has a route', async (t) => {
  const { server } = await startServer(t, EVERYTHING);
  const config = resolveConfig(parseOptions(['-secret', SECRET], {}));
  const facts = { config, publicUrl: server.publicUrl };
  const described = new Set(Object.keys(controlEndpoints(facts)));
  const routes = new Set(server.routes.map(endpointKey));
  for (const route of routes)
    assert.ok(described.has(route), `${route} has no description: ${HOW}`);
  for (const key of described) assert.ok(routes.has(key), `${key} is described, but is no route`);
  const contract = await contractOf(server.controlUrl, bearer('secret'));
  const operations = Object.entries(contract.paths).flatMap(([path, members]) =>
    METHODS.filter((method) => method in members).map((method) => endpointKey({ method, path })),
  );
  assert.deepEqual(operations.sort(), [...routes, 'GET /events/'].sort());
});

test('contract - what a server does not have is not in its document', async (t) => {
  const { controlUrl } = await startServer(t);
  const text = JSON.stringify(await contractOf(controlUrl));
  assert.doesNotMatch(
    text,
    /tryPage|CONTROL_TOKEN_INVALID.*controlToken|"in":"query","name":"token"/,
  );
});

test('contract - it is a document of OpenAPI 3.2', async (t) => {
  for (const args of [[], EVERYTHING]) {
    const { controlUrl } = await startServer(t, args);
    const contract = await contractOf(controlUrl, bearer('secret'));
    assert.equal(contract.openapi, '3.2.0');
    assert.deepEqual(await faultsOf(contract), []);
  }
  assert.notDeepEqual(
    await faultsOf({ openapi: '3.2.0', info: {} }),
    [],
    'the schema is not asleep',
  );
});

test('contract - every error code is an answer of some endpoint', async (t) => {
  const { controlUrl } = await startServer(t, EVERYTHING);
  const { paths } = await contractOf(controlUrl, bearer('secret'));
  const text = JSON.stringify(paths);
  for (const code of SENT_CODES) {
    if (OF_NO_ENDPOINT.includes(code)) continue;
    assert.match(text, new RegExp(`"${code}"`), `${code}: add it to \`refuses\` in src/openapi`);
  }
});

test('contract - channels by prefix: what tokens may name, and emits not', async (t) => {
  const { controlUrl } = await startServer(t);
  const contract = await contractOf(controlUrl);
  const check = checkerOf(t, contract);
  const isSo = async (path: string, body: object) => {
    const { status } = await post(`${controlUrl}${path}`, body);
    const operation = `/paths/${path.replaceAll('/', '~1')}/post`;
    const schema = `${operation}/requestBody/content/application~1json/schema`;
    assert.equal(await check(schema, body), status === 200, `${path} ${JSON.stringify(body)}`);
    return status === 200;
  };
  const names = ['*', 'a/*', '/*', '1/2/3/4/5/6/7/8/*', '1/2/3/4/5/6/7/8/9/*', 'a*', '*/*/a', 7];
  const answers: [boolean, boolean][] = [];
  for (const channel of names)
    answers.push([
      await isSo('/token/', { userId: 'ann', channel, exp: 60 }),
      await isSo('/emit/', { userId: 'ann', channel: ['ok', channel], data: '' }),
    ]);
  const [both, token, none] = [
    [true, true],
    [true, false],
    [false, false],
  ];
  assert.deepEqual(answers, [none, token, token, token, none, both, both, both]);
});

test('contract - texts at their limits, of whatever characters', async (t) => {
  const { controlUrl } = await startServer(t);
  const check = checkerOf(t, await contractOf(controlUrl));
  const schemaOf = (path: string) =>
    `/paths/${path.replaceAll('/', '~1')}/post/requestBody/content/application~1json/schema`;
  const assertSame = async (path: string, body: object, isGood: boolean) => {
    const { status } = await post(`${controlUrl}${path}`, body);
    const both = [status === 200, await check(schemaOf(path), body)];
    assert.deepEqual(both, [isGood, isGood], `${path} ${JSON.stringify(body)}`);
  };
  const news = { channel: 'news', data: '' };
  for (const [character, most] of [
    ['x', 256],
    ['é', 128],
    ['€', 85],
    ['😀', 64],
  ] as const)
    for (const length of [most, most + 1]) {
      const name = character.repeat(length);
      const isGood = length === most;
      await assertSame('/emit/', { ...news, userId: name }, isGood);
      await assertSame('/emit/', { ...news, userId: ['a', 'b'], channel: ['c', name] }, isGood);
      await assertSame('/emit/', { ...news, userId: 'ann', event: name }, isGood);
      await assertSame('/token/', { userId: 'ann', channel: name, exp: 60 }, isGood);
    }
  // Of these every character counts as one.
  for (const character of ['x', '😀'])
    for (const length of [256, 257]) {
      const jti = character.repeat(length);
      await assertSame('/token/', { userId: 'a', channel: 'b', exp: 60, jti }, length === 256);
      await assertSame('/revoke/', { tokenId: jti, ttl: 60 }, length === 256);
    }
  for (const [stream, isGood] of [
    [999_999_999_999_999, true],
    [1_000_000_000_000_000, false],
  ] as const)
    for (const id of [stream, String(stream)])
      await assertSame('/disconnect/', { stream: id }, isGood);
  const users = (count: number) => Array.from({ length: count }, () => 'ann');
  for (const [count, isGood] of [
    [10_000, true],
    [10_001, false],
  ] as const)
    await assertSame('/emit/', { ...news, userId: users(count) }, isGood);
  for (const count of [100, 101]) {
    const channel = users(count);
    await assertSame('/emit/', { ...news, userId: 'a', channel }, count === 100);
    await assertSame('/token/', { userId: 'a', channel, exp: 60 }, count === 100);
  }
});

test('contract - a revocation by a long jti is of its token', async (t) => {
  const { controlUrl, eventsUrl } = await startServer(t);
  const jti = '😀'.repeat(256);
  const token = tokenFor('ann', 'news', { claims: { jti } });
  await post(`${controlUrl}/revoke/`, { tokenId: jti, ttl: 60 });
  assert.equal((await fetch(eventsUrl, { headers: bearer(token) })).status, 204);
});

test('contract - the header of a key, with its quotes or without', async (t) => {
  const { controlUrl } = await startServer(t);
  const check = checkerOf(t, await contractOf(controlUrl));
  const long = 'k'.repeat(256);
  const cases: [string, boolean][] = [
    ['', true],
    ['"', true],
    ['""', false],
    ['"k"', true],
    [long, true],
    [`${long}k`, false],
    [`"${long}"`, true],
    [`"${long.slice(1)}"`, true],
    [`"${long}k"`, false],
    [`"${long}`, false],
    ['a b', false],
  ];
  for (const [key, isGood] of cases) {
    const response = await fetch(`${controlUrl}/emit/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ userId: 'ann', channel: 'news', data: '' }),
    });
    const schema = '/paths/~1emit~1/post/parameters/0/schema';
    assert.deepEqual([response.status === 200, await check(schema, key)], [isGood, isGood], key);
  }
});

test('contract - what comes on streams is what it says, events of every kind', async (t) => {
  const args = ['-history-ttl', '1', '-heartbeat', '1'];
  const running = await startServer(t, args);
  const { controlUrl, eventsUrl } = running;
  const contract = await contractOf(controlUrl);
  const check = checkerOf(t, contract);
  const token = tokenFor('ann', 'news', { expiresIn: 29 });
  const headers = { ...bearer(token), 'last-event-id': 'strange-1' };
  const stream = await openStream(t, eventsUrl, { headers });
  await emitRaw(running, 'event: x\ndata: 1');
  const kinds = contract.components.schemas['StreamItem']!.oneOf!.slice(0, -1);
  const names = kinds.map(({ title }) => title!);
  const seen = () => new Set(stream.everything.map(({ event }) => event));
  const all = async (...kinds: string[]) => {
    for (const kind of kinds)
      await eventually(() => seen().has(kind), { withinMs: 20_000, what: kind });
  };
  await all('tidings.open', 'tidings.gap', 'tidings.expiring', 'x');
  // What is for somebody else makes the last id of this stream an old one.
  await post(`${controlUrl}/emit/`, { userId: 'eve', channel: 'news', data: '' });
  await all(...names);
  for (const item of stream.everything) {
    assert.ok(await check('/components/schemas/StreamItem', item), JSON.stringify(item));
    const kind = names.indexOf(item.event ?? '');
    if (kind < 0) continue;
    const data = `/components/schemas/StreamItem/oneOf/${kind}/properties/data/contentSchema`;
    assert.ok(await check(data, JSON.parse(item.data)), JSON.stringify(item));
  }
  for (const wrong of [
    { event: 'tidings.gap', data: '{}' },
    { event: 'tidings.x', data: '' },
  ])
    assert.ok(!(await check('/components/schemas/StreamItem', wrong)), JSON.stringify(wrong));
  const retry = stream.retries[0];
  assert.ok(await check('/components/schemas/StreamItem', { retry }));
});

test('contract - errors of the public port are what it says, in both forms', async (t) => {
  const { controlUrl, eventsUrl } = await startServer(t, ['-max-streams', '1']);
  const check = checkerOf(t, await contractOf(controlUrl));
  const one = await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  assert.equal(one.status, 200);
  for (const [token, status] of [
    ['none', 401],
    [tokenFor('bob'), 503],
  ] as const)
    for (const type of ['application/json', 'application/problem+json']) {
      const headers = { ...bearer(token), accept: type };
      const response = await fetch(eventsUrl, { headers });
      assert.deepEqual([response.status, response.headers.get('content-type')], [status, type]);
      const pointer = `responses/${status}/content/${type.replace('/', '~1')}/schema`;
      assert.ok(await check(`/paths/~1events~1/get/${pointer}`, await response.json()));
      assert.ok(!(await check(`/paths/~1events~1/get/${pointer}`, { error: 'x' })));
    }
});
