/** The compatible control listener: the suite of the other one, and what only this one takes. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openNews } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

const SUITE = [
  'http/control.test.js',
  'http/bodies.test.js',
  'http/bulk.test.js',
  'http/idempotency.test.js',
  'http/position.test.js',
  'http/rendered-pages.test.js',
  'security/browser-guard.test.js',
  'security/token-endpoint.test.js',
  'security/pages.test.js',
];

test('compatible door - the suite of the control port passes through it', {
  timeout: 300_000,
}, async (t) => {
  // Without the variable by which a test runner knows that it runs inside another.
  const { NODE_TEST_CONTEXT: _, ...outside } = process.env;
  const env = { ...outside, TEST_DOOR: 'compat' };
  const lanes = ['--test', '--test-reporter=tap', '--test-concurrency=3'];
  const args = [...lanes, ...SUITE.map(here)];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let tap = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (tap += text));
  const [code] = (await once(child, 'close')) as [number];
  const failed = tap.split('\n').filter((line) => /^\s*not ok/.test(line));
  assert.deepEqual([code, failed], [0, []]);
  const passed = Number(/^# pass (\d+)$/m.exec(tap)?.[1]);
  t.diagnostic(`${passed} tests`);
  assert.ok(passed > 40, tap.slice(-500));
});

const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('compatible door - a request that ends with its connection leaves no timer behind', async (t) => {
  const { server } = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const before = timers();
  for (const path of ['/emit/', '/nowhere/']) {
    const raw = await connectRaw(t, server.compatUrl);
    raw.send(`POST ${path} HTTP/1.1\r\nHost: evil\r\nContent-Length: 1000\r\n\r\n`);
    await raw.until(/FOREIGN_HOST/);
    raw.socket.destroy();
  }
  await eventually(() => timers() <= before, { what: 'no timer of those requests' });
});

const BODY = 'userId=*&channel=news&payload=data: x';

/** Server with a stream on it; sends the pieces, each when the one before has left. */
async function exchange(t: TestContext, pieces: readonly string[], done: RegExp) {
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const stream = await openNews(t, running);
  const raw = await connectRaw(t, running.server.compatUrl);
  for (const piece of pieces) {
    await new Promise((resolve) => raw.socket.write(piece, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { text: await raw.until(done), stream, raw };
}

const head = (line: string, ...headers: string[]): string =>
  [
    line,
    'Host: 127.0.0.1',
    'Content-Type: application/x-www-form-urlencoded',
    ...headers,
    '',
    '',
  ].join('\r\n');

const length = `Content-Length: ${BODY.length}`;
const chunk = (text: string, extension = ''): string =>
  `${text.length.toString(16)}${extension}\r\n${text}\r\n`;

for (const [what, pieces] of Object.entries({
  'PHP 5 and its HTTP/1.0': [
    `POST /emit/ HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n${length}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n${BODY}`,
  ],
  'HTTP/1.0 without a Host': [
    `POST /emit/ HTTP/1.0\r\n${length}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n${BODY}`,
  ],
  'an emit with a trailer': [
    head('POST /emit/ HTTP/1.1', 'Transfer-Encoding: chunked', 'Trailer: X-Sum'),
    `${chunk(BODY)}0\r\nX-Sum: 1\r\n\r\n`,
  ],
  'a chunk with an extension': [
    head('POST /emit/ HTTP/1.1', 'Transfer-Encoding: chunked'),
    `${chunk(BODY, ';a=b')}0\r\n\r\n`,
  ],
  'a request line in three pieces': ['POST /em', 'it/ HTT', `${head('P/1.1', length)}${BODY}`],
  'the absolute form': [`${head('POST http://127.0.0.1/emit/ HTTP/1.1', length)}${BODY}`],
  'an empty line before the request': [`\r\n${head('POST /emit/ HTTP/1.1', length)}${BODY}`],
})) {
  test(`compatible door - ${what}: one event, one answer`, async (t) => {
    const { text, stream } = await exchange(t, pieces, /"streams":1\}\n/);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal((await stream.next()).data, 'x');
    assert.equal(stream.events.length, 1);
  });
}

test('compatible door - Expect in any case: 100 first, but 413 at once when the body is too large', async (t) => {
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0', '-max-body', '1024']);
  const raw = await connectRaw(t, running.server.compatUrl);
  raw.send(head('POST /emit/ HTTP/1.1', length, 'Expect: 100-Continue'));
  await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  raw.send(BODY);
  await raw.until(/HTTP\/1\.1 200 OK\r\n[\s\S]*"streams":0\}\n$/);
  const large = await connectRaw(t, running.server.compatUrl);
  large.send(head('POST /emit/ HTTP/1.1', 'Content-Length: 99999', 'Expect: 100-continue'));
  assert.match(await large.until(/BODY_TOO_LARGE/), /^HTTP\/1\.1 413 /);
});

test('compatible door - pipelined requests are answered in their order, on one connection', async (t) => {
  const emit = `${head('POST /emit/ HTTP/1.1', length)}${BODY}`;
  const { text } = await exchange(t, [emit.repeat(5)], /-5","streams":1\}\n/);
  assert.deepEqual(text.match(/-\d(?=","streams)/g), ['-1', '-2', '-3', '-4', '-5']);
});

test('compatible door - what is no request is told so', async (t) => {
  for (const [bytes, status] of [
    ['nonsense\r\n\r\n', '400'],
    ['GET /healthz HTTP/1.1\r\n\r\n', '400'],
    [`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, '431'],
    [`${head('POST /emit/ HTTP/1.1', length, 'Transfer-Encoding: chunked')}0\r\n\r\n`, '400'],
    [`${head('POST /emit/ HTTP/1.1', 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, '400'],
    [head('GET /healthz HTTP/1.1', 'Host: 127.0.0.1'), '400'],
  ] as const) {
    const { text } = await exchange(t, [bytes], /\r\n\r\n/);
    assert.ok(
      text.startsWith(`HTTP/1.1 ${status} `),
      `${bytes.slice(0, 60)}: ${text.slice(0, 80)}`,
    );
  }
});

test('compatible door - health checks as HAProxy sends them when nobody has told it how', async (t) => {
  for (const line of ['OPTIONS / HTTP/1.0', 'GET /healthz HTTP/1.0', 'OPTIONS * HTTP/1.0']) {
    const { text } = await exchange(t, [`${line}\r\n\r\n`], /\r\n\r\n/);
    assert.match(text, /^HTTP\/1\.1 20[04] /, line);
  }
});

test('compatible door - both doors say the same', async (t) => {
  const { server } = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const ask = async (base: string, method: string, path: string) => {
    const response = await fetch(`${base}${path}`, { method });
    const headers = [...response.headers].filter(
      ([name]) => !['date', 'connection', 'keep-alive'].includes(name),
    );
    return [response.status, headers, await response.text()];
  };
  for (const [method, path] of [
    ['GET', '/healthz'],
    ['GET', '/readyz/'],
    ['GET', '/position/'],
    ['GET', '/nothing'],
    ['PUT', '/emit/'],
    ['POST', '/emit/'],
    ['OPTIONS', '/emit/'],
  ] as const)
    assert.deepEqual(
      await ask(server.compatUrl, method, path),
      await ask(server.controlUrl, method, path),
      `${method} ${path}`,
    );
});

const emitWith = ({ server }: RunningServer): string => `${server.compatUrl}/emit/`;

test('compatible door - ApacheBench', async (t) => {
  if (spawnSync('ab', ['-V']).status !== 0) return t.skip('ab (apache2-utils) is not installed');
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'body'), BODY);
  const args = ['-q', '-k', '-l', '-n', '200', '-c', '4', '-p', join(folder, 'body')];
  const child = spawn('ab', [
    ...args,
    '-T',
    'application/x-www-form-urlencoded',
    emitWith(running),
  ]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(child, 'close');
  assert.match(text, /Complete requests: +200\nFailed requests: +0\n/);
  assert.equal(running.server.hub.head, 200);
});

test("compatible door - PHP's stream wrapper, HTTP/1.0", async (t) => {
  if (spawnSync('php', ['-v']).status !== 0) return t.skip('php (php-cli) is not installed');
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const script = `echo file_get_contents($argv[1], false, stream_context_create(['http' => [
    'method' => 'POST', 'protocol_version' => 1.0, 'header' => 'Content-Type: application/x-www-form-urlencoded',
    'content' => http_build_query(['userId' => ['42', '43'], 'channel' => 'news', 'payload' => 'data: x'])]]));`;
  const child = spawn('php', ['-r', script, emitWith(running)]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(child, 'close');
  assert.match(text, /^\{"id":"[a-z0-9]+-1","streams":0,"offline":\["42","43"\]\}\n$/);
});

const JAVA = `import java.net.URI; import java.net.http.*; import java.net.http.HttpResponse.BodyHandlers;
public class Emit { public static void main(String[] args) throws Exception {
  var request = HttpRequest.newBuilder(URI.create(args[0])).expectContinue(true).version(HttpClient.Version.HTTP_1_1)
    .header("Content-Type", "application/x-www-form-urlencoded")
    .POST(HttpRequest.BodyPublishers.ofString("userId=*&channel=news&payload=data: x")).build();
  var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
  System.out.print(answer.statusCode() + " " + answer.body()); } }`;

test("compatible door - Java's HttpClient that waits for 100", { timeout: 60_000 }, async (t) => {
  if (spawnSync('java', ['-version']).status !== 0) return t.skip('java is not installed');
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'Emit.java'), JAVA);
  const child = spawn('java', [join(folder, 'Emit.java'), emitWith(running)]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(child, 'close');
  assert.match(text, /^200 \{"id":"[a-z0-9]+-1","streams":0\}\n$/);
});

test('compatible door - a kept connection is told 75 seconds, and its next request is served', async (t) => {
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = () =>
    new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = http.get(`${running.server.compatUrl}/healthz`, { agent }, (response) =>
        response.resume().on('end', () => resolve(response)),
      );
      request.on('error', reject);
    });
  const first = await ask();
  assert.equal(first.headers['keep-alive'], 'timeout=75');
  const { socket } = first;
  assert.equal((await ask()).socket, socket);
});

test('compatible door - a taken port ends the start with one sentence; one for all needs a token', async (t) => {
  const first = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const taken = first.server.compatUrl.slice('http://'.length);
  await assert.rejects(
    spawnServer(t, ['-bindctl-compat', taken]),
    /-bindctl-compat .*: cannot listen, another process/,
  );
  await assert.rejects(spawnServer(t, ['-bindctl-compat', '0.0.0.0:0']), /set -ctl-token/);
});

test('compatible door - over a unix socket any Host will do', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const address = `unix:${join(folder, 'compat.sock')}`;
  await startServer(t, ['-bindctl-compat', address]);
  const raw = await connectRaw(t, address);
  raw.send('GET /healthz HTTP/1.1\r\nHost: docker\r\n\r\n');
  await raw.until(/^HTTP\/1\.1 200 OK\r\n/);
});
