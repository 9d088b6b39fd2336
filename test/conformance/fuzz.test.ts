/** Whatever anybody sends to either listener, the process stays up and open streams get their events. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { mangled } from '../support/mangle.ts';
import { Random } from '../support/prng.ts';
import { connectRaw, type RawClient, streamRequest } from '../support/raw-client.ts';
import { ONE_THREAD } from '../support/server.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const CASES = 4_000;
const AT_ONCE = 20;

/** Pino's level of what is a bug of the server. */
const ERROR_LEVEL = 50;

const FORM = 'application/x-www-form-urlencoded';

function post(path: string, body: string, type = FORM): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}`;
  return `${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const FORM_EMIT = 'userId=*&channel=news&payload=data%3A%20hello%0Adata%3A%20there';

const MULTIPART_DATA =
  '--B\r\nContent-Disposition: form-data; name="data"\r\n\r\nhello\r\n--B--\r\n';

const REQUESTS: readonly string[] = [
  streamRequest(tokenFor('eve')),
  streamRequest(tokenFor('eve', ['news', 'sport'])),
  streamRequest(tokenFor('eve')).replace('\r\nHost', '\r\nLast-Event-ID: abc-1\r\nHost'),
  'OPTIONS /events/ HTTP/1.1\r\nHost: x\r\nOrigin: https://good.example\r\n\r\n',
  streamRequest(tokenFor('eve')).replace('GET', 'HEAD'),
  'GET /events/?token=a.b.c&lastEventId=5 HTTP/1.1\r\nHost: x\r\nCookie: tidings=a.b.c; x=y\r\n\r\n',
  post('/emit/', FORM_EMIT),
  post('/emit/', FORM_EMIT.replace('*', 'eve')),
  post('/emit/', '{"userId":["eve","*"],"channel":["news"],"data":{"a":[1]}}', 'application/json'),
  post('/emit/?userId=eve&channel[0]=news', MULTIPART_DATA, 'multipart/form-data; boundary=B'),
  post('/token/', 'userId=eve&channel=news&channel=sport&exp=60'),
  post('/token/', '{"userId":"eve","channel":["news"],"exp":60}', 'application/json'),
  post('/emit/', FORM_EMIT).replace(
    /Content-Length: \d+\r\n\r\n(.*)/,
    (_, body: string) =>
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  ),
  'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
];

/** Sends the bytes in some pieces, and breaks off somewhere in one case of three. */
async function sendInPieces(client: RawClient, bytes: Buffer, random: Random): Promise<void> {
  client.socket.setNoDelay(true);
  const end = random.below(3) === 0 ? random.below(bytes.length + 1) : bytes.length;
  for (let at = 0; at < end && !client.closed; ) {
    const next = random.below(2) === 0 ? end : Math.min(end, at + 1 + random.below(end));
    client.send(bytes.subarray(at, next));
    at = next;
    for (let turns = random.below(3); turns > 0; turns -= 1)
      await new Promise((resolve) => setImmediate(resolve));
  }
}

// No resetAndDestroy here: on a socket that the server has closed meanwhile, Node 20 keeps its
// handle for ever. Unread bytes make a reset of a plain destroy, too.
const leave = ({ socket }: RawClient, random: Random): unknown =>
  random.below(2) === 0 ? socket.destroy() : socket.end();

/** One damaged request; what is answered must be an HTTP answer, and never "our own fault". */
async function attack(t: TestContext, server: SpawnedServer, random: Random): Promise<void> {
  const url = random.pick([server.publicUrl, server.controlUrl]);
  const bytes = mangled(REQUESTS, random);
  const client = await connectRaw(t, url);
  await sendInPieces(client, bytes, random);
  // Its answer means that the server has read what was sent before it.
  assert.equal((await fetch(`${server.controlUrl}/healthz`)).status, 200);
  const { text } = client;
  leave(client, random);
  if (text === '') return;
  const sent = JSON.stringify(bytes.toString('latin1').slice(0, 600));
  assert.match(text, /^HTTP\/1\.1 (100|2\d\d|4\d\d|503|505) /, `answer to ${sent}`);
  assert.doesNotMatch(text, /HTTP\/1\.1 500 |"error":"INTERNAL"/, `answer to ${sent}`);
}

const witnessed = (streams: readonly SseClient[], count: number) => {
  const wanted = Array.from({ length: count }, (_, i) => `${i}`);
  for (const { events } of streams)
    assert.deepEqual(
      events.map(({ data }) => data),
      wanted,
    );
};

async function attackAll(t: TestContext, server: SpawnedServer, random: Random): Promise<void> {
  const streams: SseClient[] = [];
  const headers = bearer(tokenFor('wit', ['witness', 'other']));
  for (let i = 0; i < 5; i += 1)
    streams.push(await openStream(t, `${server.publicUrl}/events/`, { headers }));
  let count = 0;
  for (let done = 0; done < CASES; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => attack(t, server, random)));
    const fields = { userId: random.pick(['wit', '*']), channel: 'witness' };
    const { body } = await emit(server.controlUrl, { ...fields, payload: `data: ${count}` });
    assert.equal(body['streams'], 5);
    count += 1;
  }
  for (const stream of streams) await stream.arrived(count, { withinMs: 20_000 });
  witnessed(streams, count);
}

async function assertHealthy(t: TestContext, server: SpawnedServer): Promise<void> {
  const left = async () =>
    (await emit(server.controlUrl, { userId: '*', channel: 'news', payload: 'data: x' })).body[
      'streams'
    ];
  await eventually(async () => (await left()) === 0, {
    withinMs: 20_000,
    what: 'every stream of the attack to be gone',
  });
  const headers = bearer(tokenFor('ann'));
  const stream = await openStream(t, `${server.publicUrl}/events/`, { headers });
  await emit(server.controlUrl, { userId: 'ann', channel: 'news', payload: 'data: still here' });
  assert.equal((await stream.next()).data, 'still here');
  stream.close();
  const bugs = server.log().filter((line) => Number(line['level']) >= ERROR_LEVEL);
  assert.deepEqual(bugs, []);
  assert.equal(server.process.exitCode, null);
}

test('fuzz - damaged requests on both listeners: the process lives, streams get every event in order', {
  timeout: 180_000,
}, async (t) => {
  const random = new Random();
  const server = await spawnServer(t, ['-cors', 'https://good.example', '-query-token']);
  try {
    await attackAll(t, server, random);
    await assertHealthy(t, server);
  } catch (error) {
    throw new Error(`seed ${random.seed} (TEST_SEED)`, { cause: error });
  }
  assert.equal(await server.stop(), 0);
});

test('fuzz - a request cut off after each of its bytes leaves nothing behind', async (t) => {
  const server = await spawnServer(t);
  for (const request of [streamRequest(tokenFor('eve')), post('/emit/', FORM_EMIT)]) {
    const url = request.startsWith('GET') ? server.publicUrl : server.controlUrl;
    for (let at = 1; at <= request.length; at += 1) {
      const client = await connectRaw(t, url);
      client.send(request.slice(0, at));
      if (at % 2 === 0) client.socket.resetAndDestroy();
      else client.socket.end();
    }
  }
  await assertHealthy(t, server);
});

test('fuzz - an emit that arrives in two pieces is one emit, wherever it is cut', async (t) => {
  const server = await spawnServer(t);
  const headers = bearer(tokenFor('ann'));
  const stream = await openStream(t, `${server.publicUrl}/events/`, { headers });
  const request = post('/emit/', FORM_EMIT);
  // The addon wants the request line in one piece (uWebSockets issue 1776).
  const first = request.indexOf('\r\n') + 2;
  for (let at = first; at < request.length; at += 1) {
    const client = await connectRaw(t, server.controlUrl);
    client.socket.setNoDelay(true);
    client.send(request.slice(0, at));
    assert.equal((await fetch(`${server.controlUrl}/healthz`)).status, 200);
    client.send(request.slice(at));
    assert.match(await client.until(/\r\n\r\n\{.*\}\n/), /^HTTP\/1\.1 200 OK\r\n/, `cut at ${at}`);
    client.socket.destroy();
  }
  const events = await stream.arrived(request.length - first);
  assert.equal(events.length, request.length - first);
  assert.ok(events.every(({ data }) => data === 'hello\nthere'));
});

test('fuzz - requests sent in one go are answered in their order, each once', async (t) => {
  const server = await spawnServer(t, ONE_THREAD); // with more, answers are late and the addon closes
  const headers = bearer(tokenFor('ann'));
  const stream = await openStream(t, `${server.publicUrl}/events/`, { headers });
  const client = await connectRaw(t, server.controlUrl);
  const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
  const emits = texts.map((text) => post('/emit/', `userId=*&channel=news&payload=data:${text}`));
  client.send(emits.join('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'));
  const answers = () => [...client.text.matchAll(/\{"(id|status)":"([^"]+)"/g)];
  await eventually(() => answers().length === 199, { what: '199 answers' });
  const events = await stream.arrived(100);
  assert.deepEqual(
    events.map(({ data }) => data),
    texts,
  );
  assert.deepEqual(
    answers().map(([, , value]) => value),
    events.flatMap(({ id }, i) => (i === 0 ? [id] : ['ok', id])),
  );
});
