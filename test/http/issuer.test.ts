/** Streams for tokens of an issuer (-jwks), whose keys come and go. */
import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { PAUSE_MS } from '../../src/auth/issuer.ts';
import { post } from '../support/emitting.ts';
import {
  type IssuerServer,
  newKey,
  publish,
  type SigningKey,
  startIssuer,
} from '../support/issuer.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { base64url, bearer } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const ISSUER = 'https://id.example/';
const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600;
const ann = () => ({ iss: ISSUER, sub: 'ann', channel: 'news', exp: inAnHour() });
const argsFor = (issuer: IssuerServer) => [
  '-jwks',
  issuer.url,
  '-issuer',
  ISSUER,
  '-claim-user',
  'sub',
];

const open = (t: Owner, { eventsUrl }: RunningServer, token: string, headers = {}) =>
  openStream(t, eventsUrl, { headers: { ...bearer(token), ...headers } });

const readyz = async ({ controlUrl }: RunningServer) => {
  const reply = await fetch(`${controlUrl}/readyz`);
  return [reply.status, ((await reply.json()) as { status: string }).status];
};

const isReady = (running: RunningServer) =>
  eventually(async () => (await readyz(running))[0] === 200, { what: 'keys' });

/** Comes back as often as it is told to, as a page does, but sooner. */
async function openAtLast(t: Owner, running: RunningServer, token: string) {
  const stream = await eventually(
    async () => {
      const opened = await open(t, running, token, { accept: '*/*' });
      if (opened.status === 200) return opened;
      assert.equal(opened.status, 503);
      return undefined;
    },
    { withinMs: 3 * PAUSE_MS, what: 'a stream' },
  );
  return stream as SseClient;
}

/** The issuer may be asked again because of a token. */
async function pauseIsOver() {
  const end = performance.now() + PAUSE_MS;
  await eventually(() => performance.now() > end, { withinMs: 2 * PAUSE_MS, what: 'the pause' });
}

// The shapes that are published; of Firebase's keys only the newest is in use.
const X5C = { x5c: ['MIICmzCCAYMCBgF'], x5t: 'Zv7', 'x5t#S256': 'q1W' };
const PROVIDERS: Record<
  string,
  { keys: SigningKey[]; others: object[]; args: string[]; claims: object }
> = {
  Keycloak: {
    keys: [
      newKey('kc-rsa', 'RS256', { alg: 'RS256', ...X5C }),
      newKey('kc-ec', 'ES256', { alg: 'ES256' }),
    ],
    others: [
      { ...newKey('kc-enc').jwk, use: 'enc', alg: 'RSA-OAEP', ...X5C },
      { ...newKey('kc-512').jwk, alg: 'RS512', ...X5C },
    ],
    args: ['-claim-user', 'sub', '-claim-channel', '/realm_access/roles', '-audience', 'push'],
    claims: {
      sub: 'ann',
      aud: ['push', 'account'],
      realm_access: { roles: ['offline_access', 'news'] },
    },
  },
  Auth0: {
    keys: [
      newKey('a0-one', 'RS256', { alg: 'RS256', ...X5C }),
      newKey('a0-two', 'RS256', { alg: 'RS256', ...X5C }),
    ],
    others: [],
    args: [
      '-claim-user',
      'sub',
      '-claim-channel',
      'https://app.example/channels',
      '-audience',
      'https://push.example',
    ],
    claims: {
      sub: 'auth0|ann',
      aud: 'https://push.example',
      'https://app.example/channels': ['news'],
    },
  },
  Firebase: {
    keys: [
      newKey('fb-one', 'RS256', { alg: 'RS256' }),
      newKey('fb-two', 'RS256', { alg: 'RS256' }),
    ],
    others: [],
    args: ['-claim-user', 'sub', '-default-channel', 'news', '-audience', 'shop'],
    claims: { sub: 'uid', aud: 'shop', firebase: { sign_in_provider: 'password' } },
  },
  'an issuer with Ed25519': {
    keys: [newKey('ed', 'EdDSA')],
    others: [{ kty: 'OKP', crv: 'X25519', x: 'AAAA', use: 'enc', kid: 'x' }],
    args: ['-claim-user', 'sub'],
    claims: { sub: 'ann', channel: ['news'] },
  },
};

for (const [name, { keys, others, args, claims }] of Object.entries(PROVIDERS))
  test(`issuer - tokens and keys as ${name} makes them`, async (t) => {
    const set = { keys: [...others, ...keys.map(({ jwk }) => jwk)] };
    const issuer = await startIssuer(t, set);
    const running = await startServer(t, ['-jwks', issuer.url, '-issuer', ISSUER, ...args]);
    for (const key of keys) {
      const token = key.token({ iss: ISSUER, exp: inAnHour(), ...claims });
      const stream = await open(t, running, token);
      assert.equal(stream.status, 200, key.kid);
      await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data: key.kid });
      assert.equal((await stream.next()).data, key.kid);
      stream.close();
    }
    assert.equal(issuer.count, 1);
  });

for (const threads of ['1', '2'])
  test(`issuer - keys are rotated while streams are open, with ${threads} threads`, async (t) => {
    const [old, young] = [newKey('old'), newKey('young', 'ES256')];
    const issuer = await startIssuer(t, publish(old));
    const running = await startServer(t, [...argsFor(issuer), '-threads', threads]);
    await isReady(running);
    const first = await open(t, running, old.token(ann()));
    assert.equal(first.status, 200);
    issuer.publish(publish(young));
    const second = await openAtLast(t, running, young.token(ann()));
    await post(`${running.controlUrl}/emit/`, { userId: 'ann', channel: 'news', data: 'x' });
    assert.equal((await first.next()).data, 'x', 'its token counts until it ends');
    assert.equal((await second.next()).data, 'x');
    // The set that has the new key has the old one no longer: no thread lets it in.
    const late = await Promise.all(
      Array.from({ length: 20 }, () => open(t, running, old.token(ann()), { accept: '*/*' })),
    );
    for (const { status } of late) assert.ok(status === 401 || status === 503, String(status));
  });

for (const threads of ['1', '2'])
  test(`issuer - a storm of 1,000 tokens of an unknown key is two requests at most, with ${threads} threads`, async (t) => {
    const [key, stranger] = [newKey('ours'), newKey('theirs', 'EdDSA')];
    const issuer = await startIssuer(t, publish(key));
    const running = await startServer(t, [...argsFor(issuer), '-threads', threads]);
    await isReady(running);
    await pauseIsOver();
    const begun = performance.now();
    const storm = async (kidOf: (i: number) => string) => {
      const before = issuer.count;
      const strange = Array.from({ length: 1_000 }, (_, i) =>
        stranger.token(ann(), { kid: kidOf(i) }),
      );
      const streams = await Promise.all(
        strange.map((token) => open(t, running, token, { accept: '*/*' })),
      );
      return {
        statuses: new Set(streams.map(({ status }) => status)),
        requests: issuer.count - before,
      };
    };
    // One, and one more for those that found it under way: its answer may be from before their key. On a
    // machine that is busy for longer than the pause it may be asked again.
    const most = () => 2 + 2 * Math.floor((performance.now() - begun) / PAUSE_MS);
    const same = await storm(() => 'theirs');
    assert.ok(same.requests >= 1 && same.requests <= most(), `${same.requests} requests`);
    assert.deepEqual(same.statuses, new Set([401]));
    const different = await storm((i) => `k${i}`);
    assert.ok(same.requests + different.requests <= most(), `${different.requests} more`);
    assert.equal((await open(t, running, key.token(ann()))).status, 200);
  });

test('issuer - not there when the server starts: come back later, not ready; then as if nothing had been', async (t) => {
  const key = newKey('one');
  const issuer = await startIssuer(t, publish(key));
  issuer.fail(503);
  const running = await startServer(t, argsFor(issuer));
  await eventually(() => running.log.some((line) => 'fault' in line));
  assert.deepEqual(await readyz(running), [503, 'unready']);
  const page = await open(t, running, key.token(ann()));
  await page.end();
  assert.deepEqual([page.status, page.headers['content-type']], [200, 'text/event-stream']);
  assert.match(page.text, /^retry: \d+\n$/);
  const probe = await open(t, running, key.token(ann()), { accept: '*/*' });
  await probe.end();
  assert.deepEqual([probe.status, JSON.parse(probe.text).error], [503, 'KEYS_UNAVAILABLE']);
  assert.match(String(probe.headers['retry-after']), /^\d+$/);
  const emit = await post(`${running.controlUrl}/emit/`, {
    userId: 'ann',
    channel: 'news',
    data: 'x',
  });
  assert.equal(emit.status, 200);
  issuer.publish(publish(key));
  const stream = await openAtLast(t, running, key.token(ann()));
  assert.equal(stream.status, 200);
  assert.deepEqual(await readyz(running), [200, 'ready']);
});

for (const threads of ['1', '2'])
  test(`issuer - slow at the start: requests wait, and those that go meanwhile leave nothing, with ${threads} threads`, async (t) => {
    const key = newKey('one');
    const issuer = await startIssuer(t, publish(key));
    const held: (() => void)[] = [];
    const { answer } = issuer;
    issuer.answer = (res) => held.push(() => answer(res));
    const running = await startServer(t, [...argsFor(issuer), '-threads', threads]);
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => connectRaw(t, running.publicUrl)),
    );
    for (const client of clients) client.send(streamRequest(key.token(ann())));
    await eventually(() => held.length === 1);
    for (const client of clients.slice(10)) client.socket.destroy();
    held[0]!();
    for (const client of clients.slice(0, 10))
      await client.until(/^HTTP\/1\.1 200 OK\r\n.*tidings\.open/s);
    await eventually(async () => (await statsOf(running.server)).streams === 10);
    assert.equal(issuer.count, 1);
    assert.deepEqual(
      running.log.filter(({ msg }) => msg === 'request failed'),
      [],
    );
  });

test('issuer - what a token says of its key or algorithm is not believed', async (t) => {
  const [rsa, ec, evil] = [newKey('rsa'), newKey('ec', 'ES256'), newKey('rsa')];
  const issuer = await startIssuer(t, publish(rsa, ec));
  const running = await startServer(t, argsFor(issuer));
  await isReady(running);
  const hmac = (alg: string, secret: string) => {
    const head = base64url(JSON.stringify({ alg, kid: 'rsa' }));
    const input = `${head}.${base64url(JSON.stringify(ann()))}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const pem = createPublicKey({ key: rsa.jwk, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  });
  const unsigned = `${base64url('{"alg":"none","kid":"rsa"}')}.${base64url(JSON.stringify(ann()))}.`;
  const tokens = {
    'signed by another key of that name': evil.token(ann()),
    'with its own key': evil.token(ann(), { jwk: evil.jwk }),
    'with the address of its own keys': evil.token(ann(), {
      jku: `${issuer.url}/evil`,
      x5u: issuer.url,
    }),
    'HS256 with the public key': hmac('HS256', pem.toString()),
    'HS256 as RS256': hmac('RS256', pem.toString()),
    'HS256 with nothing': hmac('HS256', ''),
    unsigned,
    'another algorithm of the same kind': rsa.token(ann(), { alg: 'RS512' }),
    PS256: rsa.token(ann(), { alg: 'PS256' }),
    'RSA by the name of the other': rsa.token(ann(), { kid: 'ec' }),
    'EC by the name of the other': ec.token(ann(), { kid: 'rsa' }),
    'a kid that is no text': rsa.token(ann(), { kid: 7 }),
    'a kid of null': rsa.token(ann(), { kid: null }),
    'a kid that is long': rsa.token(ann(), { kid: 'x'.repeat(257) }),
    'another issuer': rsa.token({ ...ann(), iss: 'https://evil.example/' }),
    'no issuer': rsa.token({ ...ann(), iss: undefined }),
    expired: rsa.token({ ...ann(), exp: 1 }),
    'no head': `.${rsa.token(ann()).split('.').slice(1).join('.')}`,
    nothing: 'x',
  };
  for (const [name, token] of Object.entries(tokens))
    assert.equal((await open(t, running, token, { accept: '*/*' })).status, 401, name);
  assert.equal(issuer.count, 1);
  // Without a name each of the keys may be the one.
  for (const key of [rsa, ec])
    assert.equal((await open(t, running, key.token(ann(), { kid: undefined }))).status, 200);
  assert.equal((await open(t, running, evil.token(ann(), { kid: undefined }))).status, 401);
  const names = ['__proto__', 'constructor', 'toString', ''];
  for (const kid of names)
    assert.notEqual(
      (await open(t, running, rsa.token(ann(), { kid }), { accept: '*/*' })).status,
      200,
      kid,
    );
  assert.deepEqual(
    running.log.filter(({ msg }) => msg === 'request failed'),
    [],
  );
});

test('issuer - two keys of one name are both tried', async (t) => {
  const [rsa, ec] = [newKey('one'), newKey('one', 'ES256')];
  const issuer = await startIssuer(t, publish(rsa, ec));
  const running = await startServer(t, argsFor(issuer));
  for (const key of [rsa, ec]) assert.equal((await open(t, running, key.token(ann()))).status, 200);
});

test('issuer - /token/ is off, and the log has nothing of a token', async (t) => {
  const key = newKey('one');
  const issuer = await startIssuer(t, publish(key));
  const running = await startServer(t, argsFor(issuer));
  const token = key.token(ann());
  await open(t, running, token);
  await open(t, running, newKey('hush').token(ann()));
  const reply = await post(`${running.controlUrl}/token/`, { userId: 'a', channel: 'c', exp: 60 });
  assert.deepEqual([reply.status, JSON.parse(reply.text).error], [403, 'SIGNING_DISABLED']);
  const log = JSON.stringify(running.log);
  for (const part of [...token.split('.'), 'hush']) assert.ok(!log.includes(part), part);
});
