/** Many events in one request: lines that stream in, and arrays of all or none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNews } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

async function send({ controlUrl }: RunningServer, type: string, body: string | Buffer) {
  const response = await fetch(`${controlUrl}/emit/`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  const text = await response.text();
  return { status: response.status, told: JSON.parse(text) };
}

const lines = (running: RunningServer, body: string | Buffer) =>
  send(running, 'application/x-ndjson', body);

const event = (userId: unknown, data: unknown, more: object = {}): string =>
  JSON.stringify({ userId, channel: 'news', data, ...more });

test('bulk - each line is an event of its own, for its own user, in the order of the lines', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running, 'ann');
  const bob = await openNews(t, running, 'bob');
  const body = [
    event('ann', { a: 1 }, { event: 'x' }),
    event('bob', 'for bob'),
    event(['ann', 'bob'], [1.1]),
    `{"userId":"*","channel":"news","data": {"big":9223372036854775807} }`,
  ];
  const { status, told } = await lines(running, `${body.join('\n')}\n`);
  assert.equal(status, 200);
  assert.deepEqual([told.accepted, told.failed, told.streams], [4, 0, 6]);
  const data = (events: { data: string }[]) => events.map((one) => one.data);
  assert.deepEqual(data(await ann.arrived(3)), ['{"a":1}', '[1.1]', '{"big":9223372036854775807}']);
  assert.deepEqual(data(await bob.arrived(3)), ['for bob', '[1.1]', '{"big":9223372036854775807}']);
  assert.equal(ann.events[0]?.event, 'x');
  assert.deepEqual([told.first, told.last], [ann.events[0]?.id, ann.events[2]?.id]);
});

test('bulk - faults of lines are told by number, the others are emitted', async (t) => {
  const running = await startServer(t, ['-max-body', '1024']);
  const ann = await openNews(t, running);
  const body = Buffer.concat([
    Buffer.from(`${event('ann', 1)}\r\n\n`),
    Buffer.from(`${event('ann', 2)}${event('ann', 3)}\n[]\n"x"\n{"channel":"news","data":1}\n`),
    Buffer.from(`${event('ann', 'y'.repeat(2_000))}\n`),
    Buffer.from([0xff, 0x0a]),
    Buffer.from(event('ann', 4)),
  ]);
  const { status, told } = await lines(running, body);
  assert.deepEqual([status, told.accepted, told.failed, told.truncated], [207, 2, 6, false]);
  assert.deepEqual(
    told.errors.map(({ line, error }: { line: number; error: string }) => [line, error]),
    [
      [3, 'BODY_MALFORMED'],
      [4, 'BODY_MALFORMED'],
      [5, 'BODY_MALFORMED'],
      [6, 'FIELD_MISSING'],
      [7, 'BODY_TOO_LARGE'],
      [8, 'BODY_MALFORMED'],
    ],
  );
  const arrived = await ann.arrived(2);
  assert.deepEqual(
    arrived.map(({ data }) => data),
    ['1', '4'],
  );
});

test('bulk - lines are emitted while the body still comes', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  const raw = await connectRaw(t, running.controlUrl);
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  raw.send(
    `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(`${event('ann', 'first')}\n${event('ann', 'sec').slice(0, -2)}`)}`,
  );
  assert.equal((await ann.arrived(1))[0]?.data, 'first');
  raw.send(chunk('ond"}\n'));
  assert.equal((await ann.arrived(2))[1]?.data, 'second');
  assert.equal(raw.text, '');
  raw.send('0\r\n\r\n');
  await raw.until(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"accepted":2,/);
});

test('bulk - a connection cut in the middle leaves what was whole, and nothing of the rest', async (t) => {
  const running = await startServer(t);
  const raw = await connectRaw(t, running.controlUrl);
  const body = `${event('ann', 1)}\n${event('ann', 2)}\n${event('ann', 3)}`;
  raw.send(
    `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n${body}`,
  );
  await eventually(() => running.server.hub.head === 2);
  raw.socket.destroy();
  const { told } = await lines(running, `${event('ann', 4)}\n`);
  assert.equal(Number(told.first.split('-')[1]), 3);
});

test('bulk - an answer in the middle of a body ends the connection, a bug of ours too', async (t) => {
  const running = await startServer(t);
  running.server.hub.append = () => {
    throw new Error('a bug');
  };
  const raw = await connectRaw(t, running.controlUrl);
  raw.send(
    `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n${event('ann', 1)}\n`,
  );
  assert.match(await raw.until(/INTERNAL/), /^HTTP\/1\.1 500 [\s\S]*Connection: close/i);
  await eventually(() => raw.closed);
});

test('bulk - an array is emitted whole, with ids that follow each other', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  const { status, told } = await send(
    running,
    'application/json',
    ` [ ${event('ann', 1)}, {"userId":"bob","channel":"news","data": {"n":1.10} }\n,${event('*', '],[')}]`,
  );
  assert.equal(status, 200);
  assert.deepEqual([told.accepted, told.failed, told.streams], [3, 0, 2]);
  const number = (id: string) => Number(id.split('-')[1]);
  assert.equal(number(told.last) - number(told.first), 2);
  const events = await ann.arrived(2);
  assert.deepEqual(
    events.map(({ data, id }) => [data, id]),
    [
      ['1', told.first],
      ['],[', told.last],
    ],
  );
  const bob = await openStream(t, running.eventsUrl, {
    headers: { ...bearer(tokenFor('bob')), 'last-event-id': `${told.first.split('-')[0]}-0` },
  });
  assert.equal((await bob.arrived(1))[0]?.data, '{"n":1.10}');
});

test('bulk - an array with a fault is not emitted at all, and the fault is named', async (t) => {
  const running = await startServer(t, ['-memory', '1']);
  const ok = event('ann', 1);
  const large = event('ann', 'x'.repeat(600_000));
  for (const [body, status, error, message] of [
    [`[${ok},{"userId":"ann","data":1}]`, 400, 'FIELD_MISSING', /^item 2: channel/],
    [`[${ok},3]`, 400, 'BODY_MALFORMED', /item 2 must be a JSON object/],
    ['[]', 400, 'BODY_MALFORMED', /1 to 10000/],
    [`[${ok}`, 400, 'BODY_MALFORMED', /not JSON/],
    [`[${Array(10_001).fill('{}').join()}]`, 400, 'BODY_MALFORMED', /1 to 10000/],
  ] as const) {
    const reply = await send(running, 'application/json', body);
    assert.deepEqual([reply.status, reply.told.error], [status, error], body.slice(0, 50));
    assert.match(reply.told.message, message);
  }
  const wide = await startServer(t, ['-memory', '1', '-max-body', '4000000']);
  const reply = await send(wide, 'application/json', `[${large},${large}]`);
  assert.deepEqual([reply.status, reply.told.error], [413, 'EVENT_TOO_LARGE']);
  assert.deepEqual([running.server.hub.head, wide.server.hub.head], [0, 0]);
});

test('bulk - an array is no token request', async (t) => {
  const { controlUrl } = await startServer(t);
  const response = await fetch(`${controlUrl}/token/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '[{"userId":"ann","channel":"news","exp":60}]',
  });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /must be one JSON object/);
});

test('bulk - ten thousand events for as many users, each to its own', async (t) => {
  const running = await startServer(t);
  const names = Array.from({ length: 50 }, (_, i) => `user-${i * 200}`);
  const streams = await Promise.all(names.map((name) => openNews(t, running, name)));
  const body = Array.from({ length: 10_000 }, (_, i) => event(`user-${i}`, { invoice: i }));
  const { status, told } = await lines(running, body.join('\n'));
  assert.deepEqual([status, told.accepted, told.streams], [200, 10_000, 50]);
  for (const [i, stream] of streams.entries()) {
    const events = await stream.arrived(1);
    assert.deepEqual(
      events.map(({ data }) => data),
      [`{"invoice":${i * 200}}`],
    );
  }
});
