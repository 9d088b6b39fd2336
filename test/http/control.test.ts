/** The control port as backends use it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { append } from '../support/hub.ts';
import { connectRaw } from '../support/raw-client.ts';
import { ONE_THREAD, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const form = (fields: [string, string][]) => new URLSearchParams(fields);

async function post(url: string, body: URLSearchParams | object, headers = {}) {
  const isForm = body instanceof URLSearchParams;
  const response = await fetch(url, {
    method: 'POST',
    body: isForm ? body : JSON.stringify(body),
    headers: isForm ? headers : { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

const streamOf = (t: Owner, eventsUrl: string, user: string, channel: string | string[] = 'news') =>
  openStream(t, eventsUrl, { headers: bearer(tokenFor(user, channel)) });

test('emit - by form: repeated userId and channel, the id and the number of streams in the answer', async (t) => {
  const { eventsUrl, controlUrl } = await startServer(t);
  const ann = await streamOf(t, eventsUrl, 'ann', 'a');
  const bob = await streamOf(t, eventsUrl, 'bob', ['a', 'b']);
  const eve = await streamOf(t, eventsUrl, 'eve', 'b');
  const url = `${controlUrl}/emit/`;
  const one = await post(
    url,
    form([
      ['userId', 'ann'],
      ['userId', 'bob'],
      ['channel', 'a'],
      ['channel', 'b'],
      ['payload', 'data: 1'],
    ]),
  );
  assert.equal(one.status, 200);
  assert.match(one.json.id, /^[a-z0-9]+-1$/);
  assert.deepEqual(Object.keys(one.json), ['id', 'streams']);
  assert.equal(one.json.streams, 2);
  const two = await post(
    url,
    form([
      ['userId', 'x'],
      ['userId', '*'],
      ['channel', 'b'],
      ['payload', 'data: 2'],
    ]),
  );
  assert.equal(two.json.streams, 2);
  assert.equal(
    (
      await post(
        `${controlUrl}/emit`,
        form([
          ['userId', '*'],
          ['channel', 'a'],
          ['payload', 'data: 3'],
        ]),
      )
    ).json.streams,
    2,
  );
  const [a, b, e] = await Promise.all([ann.arrived(2), bob.arrived(3), eve.arrived(1)]);
  assert.deepEqual(
    [a, b, e].map((events) => events.map((event) => event.data).join()),
    ['1,3', '1,2,3', '2'],
  );
  assert.equal(a[0]!.id, one.json.id);
});

test('emit - by JSON: raw payload, text, values, an event name', async (t) => {
  const { eventsUrl, controlUrl } = await startServer(t);
  const ann = await streamOf(t, eventsUrl, 'ann');
  const to = { userId: 'ann', channel: 'news' };
  for (const body of [
    { ...to, payload: 'event: x\ndata: raw' },
    { ...to, data: 'a\nb' },
    { ...to, data: { k: [1, null, 'é'] }, event: 'tick' },
    { ...to, userId: ['ann', 'bob'], channel: ['news', 'old'], data: 42 },
    { ...to, data: null },
    { ...to, data: 'extra', other: 'ignored', __proto__: { channel: 'x' } },
  ])
    assert.equal((await post(`${controlUrl}/emit/`, body)).status, 200);
  const events = await ann.arrived(6);
  assert.deepEqual(
    events.map(({ event, data }) => [event, data]),
    [
      ['x', 'raw'],
      [undefined, 'a\nb'],
      ['tick', '{"k":[1,null,"é"]}'],
      [undefined, '42'],
      [undefined, 'null'],
      [undefined, 'extra'],
    ],
  );
});

const GOOD = { userId: 'ann', channel: 'news', data: 'x' };
const without = (name: keyof typeof GOOD) =>
  Object.fromEntries(Object.entries(GOOD).filter(([key]) => key !== name));

test('emit - what is malformed gets a code and a sentence naming the field, and changes nothing', async (t) => {
  const { eventsUrl, controlUrl, server } = await startServer(t);
  const ann = await streamOf(t, eventsUrl, 'ann');
  const cases: [object, string, RegExp][] = [
    [without('userId'), 'FIELD_MISSING', /^userId is missing/],
    [without('channel'), 'FIELD_MISSING', /^channel is missing/],
    [without('data'), 'FIELD_MISSING', /^payload is missing/],
    [{ ...GOOD, payload: 'x' }, 'FIELD_INVALID', /payload and data exclude/],
    [
      { userId: 'a', channel: 'c', payload: 'x', event: 'e' },
      'FIELD_INVALID',
      /^event goes with data/,
    ],
    [{ userId: 'a', channel: 'c', payload: 7 }, 'FIELD_INVALID', /^payload must be given once/],
    [{ ...GOOD, userId: '' }, 'FIELD_INVALID', /^userId must not be empty/],
    [{ ...GOOD, userId: true }, 'FIELD_INVALID', /^userId must be a string/],
    [{ ...GOOD, userId: 1.5 }, 'FIELD_INVALID', /^userId as a number must be whole/],
    [{ ...GOOD, channel: [1, 2 ** 53] }, 'FIELD_INVALID', /^channel as a number must be whole/],
    [{ ...GOOD, userId: null }, 'FIELD_MISSING', /^userId is missing/],
    [{ ...without('data'), payload: null }, 'FIELD_MISSING', /^payload is missing/],
    [{ ...GOOD, userId: [] }, 'FIELD_INVALID', /^userId must have 1 to/],
    [{ ...GOOD, channel: ['a', null] }, 'FIELD_INVALID', /^channel must be a string/],
    [{ ...GOOD, channel: 'a\nb' }, 'FIELD_INVALID', /^channel must not contain control/],
    [{ ...GOOD, channel: 'x'.repeat(257) }, 'FIELD_INVALID', /^channel must be at most 256 bytes/],
    [
      { ...GOOD, channel: Array.from({ length: 101 }, (_, i) => `c${i}`) },
      'FIELD_INVALID',
      /^channel must have 1 to 100/,
    ],
    [{ ...GOOD, event: 'a\nb' }, 'FIELD_INVALID', /^event must not contain/],
    [{ ...GOOD, event: 'tidings.gap' }, 'FIELD_INVALID', /server's own/],
    [{ ...GOOD, event: 'x'.repeat(257) }, 'FIELD_INVALID', /^event must be at most/],
    [{ ...GOOD, event: 5 }, 'FIELD_INVALID', /^event must be given once/],
    [[GOOD, 7], 'BODY_MALFORMED', /^item 2 must be a JSON object/],
  ];
  const deep = `{"userId":"a","channel":"c","data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const tooDeep = await fetch(`${controlUrl}/emit/`, {
    method: 'POST',
    body: deep,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(tooDeep.status, 400);
  assert.match(await tooDeep.text(), /data is nested too deeply/);
  for (const [body, code, message] of cases) {
    const { status, json } = await post(`${controlUrl}/emit/`, body);
    assert.deepEqual([status, json.error], [400, code], JSON.stringify(body));
    assert.match(json.message, message);
  }
  const repeated = form([
    ['userId', 'a'],
    ['channel', 'c'],
    ['data', '1'],
    ['data', '2'],
  ]);
  assert.match(
    (await post(`${controlUrl}/emit/`, repeated)).json.message,
    /^data must be given once/,
  );
  assert.deepEqual([server.hub.channels.has('c'), ann.events.length], [false, 0]);
});

test('bodies - the wrong kind, no JSON, too large', async (t) => {
  const { controlUrl } = await startServer(t, ['-max-body', '2000']);
  const raw = (body: string, type: string) =>
    fetch(`${controlUrl}/emit/`, { method: 'POST', body, headers: { 'content-type': type } });
  assert.equal((await raw('{', 'application/json')).status, 400);
  assert.equal((await raw('x', 'text/plain')).status, 415);
  assert.equal((await raw('x', 'application/jsonp')).status, 415);
  const fields = 'userId=a&channel=c&payload=';
  const fitting = fields + 'x'.repeat(2_000 - fields.length);
  const FORM = 'application/x-www-form-urlencoded; charset=utf-8';
  assert.equal((await raw(fitting, FORM)).status, 200);
  assert.equal((await raw(`${fitting}x`, FORM)).status, 413);
});

test('bodies - 413 comes before the body is read: declared, or as soon as it shows', async (t) => {
  const { controlUrl } = await startServer(t, ['-max-body', '2000']);
  const head = 'POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const declared = await connectRaw(t, controlUrl);
  declared.send(`${head}Content-Length: 10000000000\r\n\r\n`);
  assert.match(await declared.until(/BODY_TOO_LARGE/), /^HTTP\/1\.1 413 /);
  await eventually(() => declared.closed);
  const chunked = await connectRaw(t, controlUrl);
  chunked.send(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  for (let i = 0; i < 5; i += 1) chunked.send(`1f4\r\n${'x'.repeat(500)}\r\n`);
  assert.match(await chunked.until(/BODY_TOO_LARGE/), /^HTTP\/1\.1 413 /);
});

test('token - by form and by JSON: the bare token, which opens a stream', async (t) => {
  const { eventsUrl, controlUrl } = await startServer(t);
  const url = `${controlUrl}/token/`;
  for (const body of [
    form([
      ['userId', 'ann'],
      ['channel', 'a'],
      ['channel', 'b'],
      ['exp', '60'],
    ]),
    { userId: 'ann', channel: ['a', 'b'], exp: 60 },
  ]) {
    const { status, headers, text } = await post(url, body);
    assert.deepEqual(
      [status, headers.get('content-type'), headers.get('cache-control')],
      [200, 'text/plain', 'no-store'],
    );
    assert.match(text, /^[\w-]+\.[\w-]+\.[\w-]+$/);
    const claims = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString());
    assert.deepEqual(Object.keys(claims).sort(), ['channel', 'exp', 'iat', 'userId']);
    const stream = await openStream(t, eventsUrl, { headers: bearer(text) });
    assert.equal(stream.status, 200);
    stream.close();
  }
});

test('guard - with -ctl-token every call needs it', async (t) => {
  const { controlUrl } = await startServer(t, ['-ctl-token', 'control-token']);
  for (const path of ['/healthz', '/readyz', '/emit/', '/nowhere']) {
    const response = await fetch(controlUrl + path);
    assert.deepEqual(
      [response.status, response.headers.get('www-authenticate')],
      [401, 'Bearer'],
      path,
    );
  }
  const withToken = (token: string) => fetch(`${controlUrl}/healthz`, { headers: bearer(token) });
  assert.equal((await withToken('control-token')).status, 200);
  for (const wrong of ['', 'control-toke', 'control-token2', 'CONTROL-TOKEN', 'x'.repeat(10_000)])
    assert.equal((await withToken(wrong)).status, 401, wrong.slice(0, 20));
  const lower = await fetch(`${controlUrl}/healthz`, {
    headers: { authorization: 'bearer control-token' },
  });
  assert.equal(lower.status, 200);
});

test('guard - hosts: addresses, localhost, and what is configured', async (t) => {
  const { controlUrl } = await startServer(t, ['-ctl-hosts', 'tidings.internal']);
  const status = (host: string) =>
    new Promise((resolve) => {
      http.get(`${controlUrl}/healthz`, { agent: false, headers: { host } }, (res) =>
        resolve(res.resume().statusCode),
      );
    });
  for (const host of [
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1',
    '10.0.0.1:80',
    '[::1]:1',
    'tidings.internal',
    'Tidings.Internal:8001',
  ])
    assert.equal(await status(host), 200, host);
  for (const host of ['evil.example', 'localhost.evil', 'localhost.', '127.0.0.1.evil'])
    assert.equal(await status(host), 403, host);
  for (const host of ['[::1].evil', 'x@localhost', 'localhost:80:80'])
    assert.equal(await status(host), 400, host);
});

test('health - alive, ready, methods and unknown paths', async (t) => {
  const { controlUrl } = await startServer(t);
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(controlUrl + path, { method });
    return [response.status, await response.text(), response.headers.get('allow')];
  };
  assert.deepEqual(await get('/healthz'), [200, '{"status":"ok"}\n', null]);
  assert.deepEqual(await get('/readyz'), [
    200,
    '{"status":"ready","conditions":[{"name":"serving","ok":true}]}\n',
    null,
  ]);
  assert.deepEqual((await get('/healthz', 'HEAD')).slice(0, 2), [200, '']);
  assert.deepEqual(
    (await get('/healthz', 'POST')).filter((_, i) => i !== 1),
    [405, 'GET, HEAD'],
  );
  assert.deepEqual(
    (await get('/emit/')).filter((_, i) => i !== 1),
    [405, 'POST'],
  );
  assert.equal((await get('/nowhere'))[0], 404);
  assert.equal((await get('/'))[0], 404, 'the page is there in development only');
});

interface DrainAnswer {
  readonly status: number | undefined;
  readonly text: string;
  readonly connection: string | undefined;
}

test('health - while it leaves: not ready, and emits are told to come back', async (t) => {
  const { controlUrl, eventsUrl, server } = await startServer(t, ONE_THREAD);
  const { port } = new URL(controlUrl);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const call = (method: string, path: string, body = '') =>
    new Promise<DrainAnswer>((resolve, reject) => {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': body.length,
      };
      const request = http.request(
        { agent, port, host: '127.0.0.1', method, path, headers },
        (res) => {
          let text = '';
          res.setEncoding('utf8').on('data', (part: string) => (text += part));
          const { statusCode: status, headers } = res;
          res.on('end', () => resolve({ status, text, connection: headers.connection }));
        },
      );
      request.on('error', reject).end(body);
    });
  assert.equal((await call('GET', '/readyz')).status, 200);
  // A stream that does not read keeps the server from leaving at once.
  const raw = await connectRaw(t, eventsUrl);
  raw.send(`GET /events/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenFor('ann')}\r\n\r\n`);
  await raw.until(/retry/);
  raw.socket.pause();
  let n = 0;
  await eventually(async () => {
    for (let i = 0; i < 100; i += 1)
      append(server.hub, {
        n: ++n,
        channels: ['news'],
        to: undefined,
        bytes: Buffer.alloc(10_000, 'x'),
      });
    return (await statsOf(server)).blockedStreams === 1;
  });
  const stopped = server.stop();
  assert.equal((await call('GET', '/readyz')).status, 503);
  assert.equal((await call('GET', '/healthz')).status, 200);
  const emitted = await call('POST', '/emit/', 'userId=a&channel=c&payload=x');
  assert.equal(emitted.status, 503);
  assert.match(emitted.text, /"error":"DRAINING"/);
  assert.equal(emitted.connection, 'close', 'the next emit goes to the next server');
  await stopped;
});

test('control - over a unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'control.sock');
  const { eventsUrl } = await startServer(t, ['-bindctl', `unix:${socketPath}`]);
  const ann = await streamOf(t, eventsUrl, 'ann');
  const body = 'userId=ann&channel=news&payload=data%3A+hello';
  const request = http.request({
    socketPath,
    method: 'POST',
    path: '/emit/',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
  });
  request.end(body);
  assert.equal((await ann.next()).data, 'hello');
});

test('control - on a unix socket any Host will do, as its clients write what they like; pages and tokens do not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const address = `unix:${join(folder, 'control.sock')}`;
  await startServer(t, ['-bindctl', address, '-ctl-token', 'control-token']);
  const ask = async (lines: string) => {
    const client = await connectRaw(t, address);
    client.send(`GET /healthz HTTP/1.1\r\n${lines}\r\n`);
    return Number((await client.until(/\r\n\r\n/)).slice(9, 12));
  };
  const token = 'Authorization: Bearer control-token\r\n';
  for (const host of ['unix', 'docker', '', 'evil.example', 'localhost'])
    assert.equal(await ask(`Host: ${host}\r\n${token}`), 200, host);
  assert.equal(await ask('Host: docker\r\n'), 401);
  assert.equal(await ask(`Host: docker\r\nHost: unix\r\n${token}`), 400);
  assert.equal(await ask(`Host: docker\r\nOrigin: https://evil.example\r\n${token}`), 403);
});
