/** Which pages of other origins may read a stream: the listed ones, to the letter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitRaw, openNews } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const GOOD = 'https://good.example';
const ALSO_GOOD = 'http://localhost:3000';
const LISTED = ['-cors', `${GOOD},${ALSO_GOOD}`];

interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly hasToken?: boolean;
  readonly headers?: Record<string, string>;
}

/** Status and the headers that a browser judges by. */
async function ask(
  t: Owner,
  running: RunningServer,
  origin: string | undefined,
  asked: Asked = {},
) {
  const { path = '/events/', method = 'GET', hasToken = true, headers = {} } = asked;
  const { status, headers: got } = await openStream(t, running.publicUrl + path, {
    method,
    headers: {
      ...(hasToken ? bearer(tokenFor('ann')) : {}),
      ...(origin === undefined ? {} : { origin }),
      ...headers,
    },
  });
  return {
    status,
    origin: got['access-control-allow-origin'],
    credentials: got['access-control-allow-credentials'],
    vary: got.vary,
    headers: got,
  };
}

test('S-40 CORS - a listed origin is named, with credentials, on streams and on errors', async (t) => {
  const running = await startServer(t, LISTED);
  const cases: [number, Asked][] = [
    [200, {}],
    [401, { hasToken: false }],
    [404, { path: '/nothing' }],
    [405, { method: 'POST' }],
    [200, { method: 'HEAD' }],
  ];
  for (const [wanted, asked] of cases) {
    for (const origin of [GOOD, ALSO_GOOD]) {
      const got = await ask(t, running, origin, asked);
      assert.deepEqual(
        [got.status, got.origin, got.credentials, got.vary],
        [wanted, origin, 'true', 'Origin'],
      );
    }
  }
});

test('S-40 CORS - a refusal for now can be read by the page, so that it comes back', async (t) => {
  const running = await startServer(t, [...LISTED, '-max-streams', '1']);
  await openNews(t, running);
  const sse = await ask(t, running, GOOD);
  assert.deepEqual([sse.status, sse.origin, sse.credentials], [200, GOOD, 'true']);
  const probe = await ask(t, running, GOOD, { headers: { accept: 'application/json' } });
  assert.deepEqual([probe.status, probe.origin, probe.vary], [503, GOOD, 'Origin']);
});

test('S-40 CORS - with * any origin may read, none with its credentials', async (t) => {
  const running = await startServer(t, ['-cors', '*']);
  for (const origin of [GOOD, 'https://other.example', 'null']) {
    for (const hasToken of [true, false]) {
      const got = await ask(t, running, origin, { hasToken });
      assert.deepEqual([got.origin, got.credentials, got.vary], ['*', undefined, 'Origin']);
    }
  }
});

test('S-40 CORS - without -cors no answer speaks of origins', async (t) => {
  const running = await startServer(t);
  for (const asked of [{}, { hasToken: false }, { method: 'OPTIONS' }, { path: '/nothing' }]) {
    const { headers } = await ask(t, running, GOOD, asked);
    const names = Object.keys(headers).filter((name) => /^access-control-|^vary$/.test(name));
    assert.deepEqual(names, []);
  }
});

const UNLISTED = [
  'null',
  'https://good.example.evil.com',
  'https://evilgood.example',
  'https://good.example:8443',
  'http://good.example',
  'https://good.example.',
  'https://GOOD.example',
  'HTTPS://good.example',
  'https://good.example/',
  'https://good.example, https://evil.example',
  'https://sub.good.example',
  'https://good.example@evil.com',
  'http://localhost',
  '*',
  '',
  'constructor',
  '__proto__',
];

test('S-41 CORS - whatever is not listed to the letter is told nothing but Vary', async (t) => {
  const running = await startServer(t, LISTED);
  for (const origin of UNLISTED) {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await ask(t, running, origin, { method });
      const told = Object.keys(headers).filter((name) => name.startsWith('access-control-'));
      assert.deepEqual(told, [], `${method} ${origin}`);
      assert.equal(headers.vary, 'Origin', `${method} ${origin}`);
    }
  }
  assert.equal((await ask(t, running, undefined)).vary, 'Origin', 'a cache must know even so');
});

const APPS = [
  'capacitor://localhost',
  'tauri://localhost',
  'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
];

test('S-41 CORS - origins of apps and extensions are listed to the letter too', async (t) => {
  const running = await startServer(t, ['-cors', APPS.join(',')]);
  for (const origin of APPS) {
    const got = await ask(t, running, origin);
    assert.deepEqual([got.status, got.origin, got.credentials], [200, origin, 'true']);
  }
  for (const origin of ['capacitor://localhost.evil', 'tauri://local', 'chrome-extension://abc'])
    assert.equal((await ask(t, running, origin)).origin, undefined, origin);
});

test('S-41 CORS - a pattern allows what is below its host, on its scheme and port, and nothing else', async (t) => {
  const running = await startServer(t, ['-cors', 'https://*.good.example,http://*.dev.test:8080']);
  for (const origin of [
    'https://app.good.example',
    'https://a.b-c.good.example',
    'https://xn--bcher-kva.good.example',
    'http://one.dev.test:8080',
  ]) {
    const got = await ask(t, running, origin, { method: 'OPTIONS' });
    assert.deepEqual([got.origin, got.credentials, got.vary], [origin, 'true', 'Origin'], origin);
    assert.ok(got.headers['access-control-allow-methods']);
  }
  for (const origin of [
    'https://good.example',
    'https://evilgood.example',
    'https://.good.example',
    'https://a..good.example',
    'https://app.good.example.evil.com',
    'https://app.good.example.',
    'https://app.good.example:8443',
    'http://app.good.example',
    'https://evil.com/.good.example',
    'https://evil.com:1.good.example',
    'https://evil.com?.good.example',
    'https://evil.com#.good.example',
    'https://evil@app.good.example',
    'https://evil.com\\.good.example',
    'https://App.good.example',
    'https://*.good.example',
    'http://one.dev.test',
    'null',
  ]) {
    const { headers } = await ask(t, running, origin);
    assert.equal(headers['access-control-allow-origin'], undefined, origin);
    assert.equal(headers.vary, 'Origin', origin);
  }
});

test('S-42 CORS - headers of tracing are allowed when listed, beside our own', async (t) => {
  const args = ['-cors-headers', 'traceparent, Baggage,sentry-trace,authorization'];
  for (const cors of [LISTED, ['-cors', '*']]) {
    const running = await startServer(t, [...cors, ...args]);
    const { headers } = await ask(t, running, GOOD, { method: 'OPTIONS', hasToken: false });
    assert.equal(
      headers['access-control-allow-headers'],
      'authorization, last-event-id, cache-control, traceparent, baggage, sentry-trace',
    );
    const stranger = await ask(t, running, '', { method: 'OPTIONS', hasToken: false });
    assert.equal(stranger.headers['access-control-allow-headers'], undefined);
  }
});

test('S-41 CORS - an origin never gets into the head by itself', async (t) => {
  const running = await startServer(t, LISTED);
  const client = await connectRaw(t, running.publicUrl);
  const lines = [`Origin: https://evil.example`, `Origin: ${GOOD}`, 'Host: x'];
  client.send(`GET /events/ HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const text = await client.until(/\r\n\r\n/);
  assert.doesNotMatch(text, /evil\.example/);
});

test('S-42 CORS - the preflight needs no token and names each header', async (t) => {
  const running = await startServer(t, LISTED);
  const { status, headers } = await ask(t, running, GOOD, {
    method: 'OPTIONS',
    hasToken: false,
    headers: {
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization, last-event-id, cache-control',
    },
  });
  assert.equal(status, 204);
  assert.equal(headers['access-control-allow-origin'], GOOD);
  assert.equal(headers['access-control-allow-credentials'], 'true');
  assert.equal(headers.vary, 'Origin');
  assert.match(String(headers['access-control-allow-methods']), /\bGET\b/);
  const allowed = String(headers['access-control-allow-headers']).toLowerCase().split(/, */);
  assert.deepEqual(allowed.sort(), ['authorization', 'cache-control', 'last-event-id']);
  assert.ok(Number(headers['access-control-max-age']) >= 600);
  assert.equal(headers['content-length'], undefined, 'a 204 has no body and no length');
  assert.equal((await statsOf(running.server)).streams, 0);
});

test('S-42 CORS - a preflight leaves the connection in step for the request behind it', async (t) => {
  const running = await startServer(t, LISTED);
  const client = await connectRaw(t, running.publicUrl);
  const request = (method: string) =>
    `${method} /events/ HTTP/1.1\r\nHost: x\r\nOrigin: ${GOOD}\r\n` +
    `Authorization: ${bearer(tokenFor('ann')).authorization}\r\n\r\n`;
  client.send(request('OPTIONS'));
  await client.until(/^HTTP\/1\.1 204 No Content\r\n[\s\S]*\r\n\r\n$/);
  client.send(request('GET'));
  await client.until(/\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*retry: \d+\n/);
});

// Seen with a real browser in test/browser/native.test.ts. Fetch, "CORS-safelisted request-header":
// at most 128 bytes, and none of these.
test('S-43 CORS - our ids come back in Last-Event-ID without a preflight', async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  for (let i = 0; i < 200; i += 1) await emitRaw(running, `data: ${i}`);
  for (const { id } of await stream.arrived(200)) {
    assert.match(String(id), /^[A-Za-z0-9._-]{1,64}$/);
  }
});
