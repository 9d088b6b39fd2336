/** Claims of rightly signed tokens that are not what they must be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretVerifier } from '../../src/auth/auth.ts';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, SECRET, sign, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const now = () => Math.floor(Date.now() / 1000);
const TEN_YEARS = 315_360_000;
const json = (claims: object) =>
  JSON.stringify({ userId: 'ann', channel: 'news', exp: now() + 3600, ...claims });

async function statusOf(t: Owner, { eventsUrl }: RunningServer, payload: string): Promise<number> {
  const stream = await openStream(t, eventsUrl, { headers: bearer(sign(payload)) });
  stream.close();
  return stream.status;
}

async function expectStatus(t: Owner, status: number, payloads: readonly string[]) {
  const running = await startServer(t);
  for (const payload of payloads)
    assert.equal(await statusOf(t, running, payload), status, payload.slice(0, 200));
  assert.deepEqual(
    running.log.filter((line) => line['msg'] === 'request failed'),
    [],
  );
}

const withExp = (literal: string) => `{"userId":"ann","channel":"news","exp":${literal}}`;

test('J-07 exp - one that is not a finite number in the future is 401', async (t) => {
  const literals = [
    'null',
    '"9999999999"',
    '[9999999999]',
    '{}',
    'true',
    '-1',
    '0',
    '1.5',
    '1e999',
    '-1e999',
    'NaN',
  ];
  const withMethod = '{"valueOf":9999999999}';
  await expectStatus(t, 401, [
    '{"userId":"ann","channel":"news"}',
    ...[...literals, withMethod, `${now() - 1}`].map(withExp),
  ]);
});

test('J-07 exp - at the very second it is too late, before it is not; fractions count', () => {
  const at = (time: number) => secretVerifier([SECRET], { maxLifeSeconds: 3_600, now: () => time });
  const exp = now() + 1_000;
  const token = sign(json({ exp }));
  assert.throws(() => at(exp)(token), { code: 'TOKEN_INVALID' });
  assert.throws(() => at(exp + 0.001)(token), { code: 'TOKEN_INVALID' });
  assert.equal(at(exp - 0.001)(token).exp, exp);
});

// RFC 7519 allows a NumericDate to have a fraction.
test('J-07 exp - a fraction is a time like any other, milliseconds and the end of days are 401', async (t) => {
  await expectStatus(t, 200, [`${now() + 60}.5`, `${now() + TEN_YEARS}`].map(withExp));
  const tooFar = [
    `${Date.now()}`,
    `${now() + TEN_YEARS + 100}`,
    '253402300800000',
    '1e12',
    '1e300',
  ];
  await expectStatus(t, 401, ['9007199254740993', ...tooFar].map(withExp));
});

test('exp - a token may have at most -max-token-life left, and a minute for the clocks', async (t) => {
  const running = await startServer(t, ['-max-token-life', '3600']);
  assert.equal(await statusOf(t, running, json({ exp: now() + 3_600 + 50 })), 200);
  assert.equal(await statusOf(t, running, json({ exp: now() + 3_600 + 70 })), 401);
});

test('J-08 exp - in 60 days, or in ten years, does not end the stream at once', async (t) => {
  const { eventsUrl, controlUrl, server } = await startServer(t, ['-heartbeat', '1']);
  for (const expiresIn of [60 * 86_400, 2 ** 31 / 1000 + 10, TEN_YEARS]) {
    const token = tokenFor('ann', 'news', { expiresIn: Math.floor(expiresIn) });
    const stream = await openStream(t, eventsUrl, { headers: bearer(token) });
    // Three heartbeats: expiry has been looked at several times by then.
    await eventually(() => stream.comments.length >= 4, { withinMs: 10_000 });
    await post(`${controlUrl}/emit/`, { userId: 'ann', channel: 'news', data: 'x' });
    assert.equal((await stream.next()).data, 'x');
    assert.equal(stream.ended, false);
  }
  assert.equal((await statsOf(server)).streams, 3);
});

// Clocks differ a little: up to a minute ahead is taken.
test('J-09 times - iat or nbf more than a minute ahead are 401', async (t) => {
  await expectStatus(t, 401, [
    json({ nbf: now() + 100 }),
    json({ nbf: 'x' }),
    json({ iat: now() + 100 }),
    json({ iat: '0' }),
    json({ iat: null }),
    json({ iat: [0] }),
    `{"userId":"ann","channel":"news","exp":${now() + 60},"iat":1e999}`,
    `{"userId":"ann","channel":"news","exp":${now() + 60},"nbf":1e999}`,
    json({ nbf: null }),
  ]);
  await expectStatus(t, 200, [
    json({ iat: now() + 30 }),
    json({ nbf: now() + 30 }),
    json({ iat: now() + 2, nbf: now() + 2 }),
    json({ iat: 0 }),
    json({ nbf: now() - 1 }),
  ]);
});

const BAD_NAMES: unknown[] = [
  undefined,
  '',
  1.5,
  2 ** 53,
  {},
  null,
  true,
  false,
  'x'.repeat(257),
  'x'.repeat(10_000),
];
for (const text of [
  'a\nb',
  'a\0',
  '\x1b[2J',
  '\x7f',
  '\x85',
  '\ud800',
  'a\u202eb',
  'a\u200bb',
  'a\u00a0b',
  'a\ufe0f',
  'Jos\ufffd',
  '\ufeff',
  '\u2028',
])
  BAD_NAMES.push(text);

test('J-10 names - userId and channel must be readable text of 1 to 256 bytes', async (t) => {
  await expectStatus(
    t,
    401,
    BAD_NAMES.flatMap((name) => [
      json({ userId: name }),
      json({ channel: name }),
      json({ channel: ['news', name ?? null] }),
    ]),
  );
  await expectStatus(t, 401, [
    json({ userId: [] }),
    json({ userId: ['ann'] }),
    json({ channel: [] }),
    json({ channel: [['news']] }),
    json({ channel: { length: 1, 0: 'news' } }),
    json({ channel: Array.from({ length: 101 }, (_, i) => `c${i}`) }),
    json({ userId: 'é'.repeat(129) }),
  ]);
});

test('J-10 names - letters of every script, blanks and punctuation are fine', async (t) => {
  const names = [
    'שלום',
    'مرحبا',
    '日本語',
    '👩',
    'a b',
    'a/b',
    "a'b",
    'x'.repeat(256),
    'é'.repeat(128),
    '.',
    '<b>',
  ];
  await expectStatus(
    t,
    200,
    names.flatMap((name) => [json({ userId: name }), json({ channel: name })]),
  );
});

const ODD = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  'valueOf',
];

test('J-11 names - those of Object.prototype are ordinary, and leave it as it is', async (t) => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const running = await startServer(t, ['-max-streams-per-user', '2']);
  const open = (user: string, channel: string) =>
    openStream(t, running.eventsUrl, {
      headers: bearer(
        sign(
          `{"userId":${JSON.stringify(user)},"channel":${JSON.stringify(channel)},"exp":${now() + 60}}`,
        ),
      ),
    });
  const other = await open('ann', 'news');
  for (const name of ODD) {
    const stream = await open(name, name);
    const reply = await post(`${running.controlUrl}/emit/`, {
      userId: name,
      channel: name,
      data: name,
    });
    assert.deepEqual([reply.status, JSON.parse(reply.text).streams], [200, 1], name);
    assert.equal((await stream.next()).data, name);
  }
  await post(`${running.controlUrl}/emit/`, { userId: 'ann', channel: 'news', data: 'own' });
  assert.equal((await other.next()).data, 'own');
  assert.equal(other.events.length, 1);
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).sort(), before);
});

test('names - a whole number is the user, or the channel, of that name', async (t) => {
  const running = await startServer(t);
  const exp = now() + 60;
  const open = (claims: string) =>
    openStream(t, running.eventsUrl, { headers: bearer(sign(`{${claims},"exp":${exp}}`)) });
  const number = await open('"userId":42,"channel":[7,"7",-1,9007199254740991]');
  const text = await open('"userId":"42","channel":"7"');
  assert.deepEqual([number.status, text.status], [200, 200]);
  for (const channel of ['7', '-1', '9007199254740991'])
    await post(`${running.controlUrl}/emit/`, { userId: '42', channel, data: channel });
  const data = (await number.arrived(3)).map((event) => event.data);
  assert.deepEqual(data, ['7', '-1', '9007199254740991']);
  assert.equal((await text.next()).data, '7');
});

test('names - of bytes that are not UTF-8 are 401, not one name with U+FFFD', async (t) => {
  const running = await startServer(t);
  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  for (const claims of [
    latin1(json({ userId: 'Jos\xe9' })),
    latin1(json({ userId: 'Jos\xe8' })),
    latin1(json({ channel: 'caf\xe9' })),
    latin1(json({ channel: ['news', 'caf\xe9'] })),
    latin1(json({ aside: '\xe9' })),
    latin1(json({ userId: '\xc0\xaf' })), // overlong
    latin1(json({ userId: '\xed\xa0\x80' })), // a surrogate
  ]) {
    const stream = await openStream(t, running.eventsUrl, { headers: bearer(sign(claims)) });
    assert.equal(stream.status, 401, claims.toString('latin1'));
  }
  assert.equal(await statusOf(t, running, json({ userId: 'José' })), 200);
});

test('J-12 names - * is nobody: no token is made for it, and a forged one is 401', async (t) => {
  const running = await startServer(t);
  const body = { userId: '*', channel: 'news', exp: 60 };
  const asked = await post(`${running.controlUrl}/token/`, body);
  assert.deepEqual([asked.status, JSON.parse(asked.text).error], [400, 'FIELD_INVALID']);
  assert.equal(await statusOf(t, running, json({ userId: '*' })), 401);
});

test('J-13 claims - what an own __proto__ carries does not count', async (t) => {
  const inner = `{"userId":"ann","channel":"news","exp":${now() + 60}}`;
  await expectStatus(t, 401, [
    `{"__proto__":${inner}}`,
    `{"constructor":{"prototype":${inner}}}`,
    `{"userId":"ann","channel":"news","__proto__":{"exp":${now() + 60}}}`,
    `{"channel":"news","exp":${now() + 60},"__proto__":{"userId":"ann"}}`,
  ]);
});

test('J-14 claims - of a name given twice the last counts, for every claim', async (t) => {
  const exp = now() + 60;
  await expectStatus(t, 401, [
    `{"userId":"ann","channel":"news","exp":${exp},"exp":1}`,
    `{"userId":"ann","userId":"*","channel":"news","exp":${exp}}`,
    `{"userId":"ann","channel":"news","channel":"","exp":${exp}}`,
  ]);
  await expectStatus(t, 200, [
    `{"userId":"*","userId":"ann","channel":"news","exp":1,"exp":${exp}}`,
  ]);
});

test('J-20 exp - a token that has opened streams is 401 once its second has come', async (t) => {
  const running = await startServer(t);
  const exp = now() + 2;
  const payload = json({ exp });
  for (let i = 0; i < 3; i += 1) assert.equal(await statusOf(t, running, payload), 200);
  await eventually(() => Date.now() / 1000 >= exp, { withinMs: 5_000, what: 'exp' });
  assert.equal(await statusOf(t, running, payload), 401);
});
