/** `POST /token/`: what it refuses to sign, and what can never get into a token. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());

test('J-30 token - exp must be whole seconds from now, from 1 to ten years', async (t) => {
  const { controlUrl } = await startServer(t);
  const url = `${controlUrl}/token/`;
  const base = { userId: 'ann', channel: 'news' };
  const bad = [0, -1, 1.5, '3600', '1h', true, [60], {}, 1e20, 315_360_001];
  for (const exp of bad) {
    const { status, text } = await post(url, { ...base, exp });
    assert.deepEqual([status, JSON.parse(text).error], [400, 'FIELD_INVALID'], String(exp));
  }
  for (const literal of ['1e999', '-0', '1e-9']) {
    const { status } = await post(url, `{"userId":"ann","channel":"news","exp":${literal}}`);
    assert.equal(status, 400, literal);
  }
  const badText = ['0', '-1', '+5', '1.5', '1h', '', ' 60', '1e3', '0x10', 'Infinity', '315360001'];
  for (const exp of badText)
    assert.equal((await post(url, form({ ...base, exp }))).status, 400, JSON.stringify(exp));
  for (const body of [base, { ...base, exp: null }])
    assert.equal(JSON.parse((await post(url, body)).text).error, 'FIELD_MISSING');
  assert.equal((await post(url, form({ ...base, exp: '3600' }))).status, 200);
  assert.equal((await post(url, { ...base, exp: 315_360_000 })).status, 200);
});

test('token - exp goes up to -max-token-life', async (t) => {
  const { controlUrl } = await startServer(t, ['-max-token-life', '60']);
  const ask = (exp: number) => post(`${controlUrl}/token/`, { userId: 'a', channel: 'c', exp });
  assert.equal((await ask(60)).status, 200);
  const { status, text } = await ask(61);
  assert.equal(status, 400);
  assert.match(JSON.parse(text).message, /^exp must be .* from 1 to 60 \(-max-token-life\)$/);
});

test('token - from: an id, or now, becomes a claim; anything else is 400', async (t) => {
  const { controlUrl } = await startServer(t);
  const url = `${controlUrl}/token/`;
  const base = { userId: 'ann', channel: 'news', exp: '60' };
  const emitted = await post(`${controlUrl}/emit/`, { ...base, data: 'x' });
  const { id } = JSON.parse(emitted.text);
  for (const [from, claim] of [
    ['now', id],
    [id, id],
    ['elsewhere-0', 'elsewhere-0'],
  ]) {
    const byForm = await post(url, form({ ...base, from }));
    const byJson = await post(url, { ...base, exp: 60, from });
    assert.deepEqual(
      [byForm, byJson].map(({ text }) => claimsOf(text)['from']),
      [claim, claim],
    );
  }
  const bad: unknown[] = ['', 'Now', 'x', '-1', `${id} `, `${id}\n`, 'x'.repeat(65), 7, {}, [id]];
  for (const from of bad) {
    const { status, text } = await post(url, { ...base, exp: 60, from });
    assert.deepEqual([status, JSON.parse(text).error], [400, 'FIELD_INVALID'], String(from));
  }
  const { text } = await post(url, form({ ...base, from: 'yesterday' }));
  assert.match(JSON.parse(text).message, /^from must be an id .*, or now$/);
});

test('token - jti becomes a claim, by which the token can be revoked; anything but 1 to 256 characters is 400', async (t) => {
  const { controlUrl, eventsUrl } = await startServer(t);
  const base = { userId: 'ann', channel: 'news', exp: '60' };
  const ask = (body: object) => post(`${controlUrl}/token/`, body);
  const { text: token } = await ask(form({ ...base, jti: 'b3 f1/é' }));
  assert.equal(claimsOf(token)['jti'], 'b3 f1/é');
  const { text: other } = await ask({ ...base, exp: 60, jti: 'x'.repeat(256) });
  for (const one of [token, other])
    assert.equal((await openStream(t, eventsUrl, { headers: bearer(one) })).status, 200);
  const revoked = await post(`${controlUrl}/revoke/`, { tokenId: 'b3 f1/é', ttl: 60 });
  assert.equal(JSON.parse(revoked.text).streams, 1);
  assert.equal((await openStream(t, eventsUrl, { headers: bearer(token) })).status, 204);
  const { text: without } = await ask({ ...base, exp: 60, jti: null });
  assert.ok(!('jti' in claimsOf(without)));
  for (const jti of ['', 'x'.repeat(257), 7, ['a'], {}, true]) {
    const { status, text } = await ask({ ...base, exp: 60, jti });
    assert.deepEqual([status, JSON.parse(text).error], [400, 'FIELD_INVALID'], String(jti));
    assert.match(JSON.parse(text).message, /jti/);
  }
  assert.equal((await ask(form({ ...base, jti: '' }))).status, 400);
});

test('J-31 token - holds the three claims and nothing else that a request brought', async (t) => {
  const { controlUrl } = await startServer(t);
  const extras =
    '"iat":1,"nbf":9999999999,"aud":"x","admin":true,"alg":"none","constructor":{"prototype":{"admin":1}},"__proto__":{"admin":true,"nbf":9999999999}';
  const reply = await post(
    `${controlUrl}/token/`,
    `{${extras},"userId":"ann","channel":["a","b","a"],"exp":60}`,
  );
  const { iat, exp, ...rest } = claimsOf(reply.text);
  assert.deepEqual(rest, { userId: 'ann', channel: ['a', 'b'] });
  const now = Date.now() / 1000;
  assert.ok(Math.abs(Number(iat ?? now) - now) < 30, `iat ${iat}`);
  assert.ok(Number(exp) > now && Number(exp) <= now + 61);
  const head = Buffer.from(reply.text.split('.')[0]!, 'base64url').toString();
  assert.equal(JSON.parse(head).alg, 'HS256');
});

test('J-32 token - names obey the rule that opening a stream has', async (t) => {
  const { controlUrl } = await startServer(t);
  const bad: unknown[] = [
    '',
    7.5,
    2 ** 53,
    {},
    null,
    true,
    'x'.repeat(257),
    'é'.repeat(129),
    'a\nb',
    'a\0',
  ];
  bad.push(
    '\x1b[2J',
    '\x85',
    '\ud800',
    'a\u202eb',
    'a\u200bb',
    '\ufeff',
    '\u2028',
    '\ufffd',
    'a\ufe0f',
  );
  for (const name of bad) {
    for (const body of [
      { userId: name, channel: 'news', exp: 60 },
      { userId: 'ann', channel: name, exp: 60 },
      { userId: 'ann', channel: ['news', name], exp: 60 },
    ]) {
      const { status, text } = await post(`${controlUrl}/token/`, body);
      assert.equal(status, 400, JSON.stringify(body).slice(0, 100));
      assert.match(JSON.parse(text).error, /^FIELD_(INVALID|MISSING)$/);
    }
  }
  const tooMany = Array.from({ length: 101 }, (_, i) => `c${i}`);
  for (const channel of [[], tooMany, [['news']]])
    assert.equal(
      (await post(`${controlUrl}/token/`, { userId: 'a', channel, exp: 60 })).status,
      400,
    );
});

test('J-33 token - nobody may keep the answer', async (t) => {
  const { controlUrl } = await startServer(t);
  const body = form({ userId: 'ann', channel: 'news', exp: '60' });
  const reply = await post(`${controlUrl}/token/`, body);
  assert.equal(reply.headers.get('cache-control'), 'no-store');
  assert.equal(reply.headers.get('content-type'), 'text/plain');
  assert.match(reply.text, /^[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('J-34 token - exp is seconds: one of 2 s opens a stream, which ends at its time', async (t) => {
  const { controlUrl, eventsUrl } = await startServer(t);
  const asked = Date.now() / 1000;
  const body = form({ userId: 'ann', channel: 'news', exp: '2' });
  const { text } = await post(`${controlUrl}/token/`, body);
  const exp = Number(claimsOf(text)['exp']);
  assert.ok(exp >= Math.floor(asked) + 2 && exp <= Date.now() / 1000 + 2, `${exp}`);
  const stream = await openStream(t, eventsUrl, { headers: bearer(text) });
  assert.equal(stream.status, 200);
  await stream.end({ withinMs: 10_000 });
  assert.equal(stream.cut, false);
  await eventually(() => Date.now() / 1000 >= exp);
  const again = await openStream(t, eventsUrl, { headers: bearer(text) });
  assert.equal(again.status, 401);
});
