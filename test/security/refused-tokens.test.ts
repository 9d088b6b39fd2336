/** Why a token was refused: the log tells it, the answer does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunningServer, startServer } from '../support/server.ts';
import { SECRET, sign, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const now = () => Math.floor(Date.now() / 1000);
const withClaims = (claims: object) => tokenFor('ann', 'news', { claims });
const inBytes = (userId: string) =>
  Buffer.from(JSON.stringify({ userId, channel: 'news', exp: now() + 60 }), 'latin1');

const refusalsIn = ({ log }: RunningServer) =>
  log
    .filter((line) => line['msg'] === 'token refused')
    .map(({ reason, claim, address, level }) => ({ reason, claim, address, level }));

/** When so many are there: a line of another thread may come behind the answer. */
async function reasonsIn(running: RunningServer, count: number) {
  const what = `${count} lines of refused tokens`;
  await eventually(() => refusalsIn(running).length >= count, { what });
  return refusalsIn(running);
}

async function answerTo({ eventsUrl }: RunningServer, headers: Record<string, string>) {
  const response = await fetch(eventsUrl, { headers });
  const heads = [...response.headers].filter(([name]) => name !== 'date');
  return { status: response.status, heads, text: await response.text() };
}

const [head, body, signature] = tokenFor('ann').split('.') as [string, string, string];

// What is wrong, the reason, and the claim.
const CASES: [token: string, reason: RegExp, claim?: string][] = [
  ['x', /^malformed$/],
  [`${head}.${body}.`, /^missing signature$/],
  [`${head}.${body}.${'A'.repeat(signature.length)}`, /^invalid signature$/],
  [sign('{}', SECRET, { alg: 'none' }), /^invalid algorithm$/],
  [sign('{}', SECRET, { alg: 'HS256', crit: ['hush'] }), /^invalid crit header$/],
  [sign('[]'), /^invalid payload$/],
  [sign('{'), /^malformed$/],
  [sign(inBytes('Jos\xe9')), /^the claims are not UTF-8$/],
  [withClaims({ exp: undefined }), /^must be a number of Unix seconds$/, 'exp'],
  [withClaims({ exp: now() - 1 }), /^has passed$/, 'exp'],
  [withClaims({ exp: Date.now() }), /max-token-life.*milliseconds/, 'exp'],
  [withClaims({ iat: now() + 100 }), /in the future/, 'iat'],
  [withClaims({ nbf: now() + 100 }), /in the future/, 'nbf'],
  [withClaims({ nbf: 'soon' }), /^must be a number/, 'nbf'],
  [withClaims({ userId: 1.5 }), /^as a number must be whole/, 'userId'],
  [withClaims({ userId: '*' }), /cannot be an identity/, 'userId'],
  [withClaims({ userId: 'hush\n' }), /control or invisible/, 'userId'],
  [withClaims({ channel: [] }), /1 to 100/, 'channel'],
  [withClaims({ channel: ['news', ''] }), /empty/, 'channel'],
  [withClaims({ from: 7 }), /string of at most 64/, 'from'],
  [withClaims({ from: 'x'.repeat(65) }), /string of at most 64/, 'from'],
];

test('refused tokens - each has a line with its reason at debug, all have one answer', async (t) => {
  const running = await startServer(t);
  const expected = await answerTo(running, {});
  assert.equal(expected.status, 401);
  for (const [token, reason] of CASES) {
    const answer = await answerTo(running, { authorization: `Bearer ${token}` });
    assert.deepEqual(answer, expected, String(reason));
  }
  const [none, ...lines] = await reasonsIn(running, CASES.length + 1);
  assert.match(String(none!.reason), /^no token/);
  assert.equal(lines.length, CASES.length);
  for (const [i, [, reason, claim]] of CASES.entries()) {
    const { reason: said, ...rest } = lines[i]!;
    assert.match(String(said), reason);
    assert.deepEqual(rest, { claim, address: '127.0.0.1', level: 20 }, String(reason));
  }
});

test('refused tokens - the log has nothing of a token, nor of the secret', async (t) => {
  const running = await startServer(t);
  for (const [token] of CASES) await answerTo(running, { authorization: `Bearer ${token}` });
  const log = JSON.stringify(running.log);
  const parts = CASES.flatMap(([token]) => token.split('.')).filter((part) => part.length > 4);
  for (const secret of [SECRET, 'hush', ...parts]) assert.ok(!log.includes(secret), secret);
});

test('refused tokens - the address is that of the client behind a trusted proxy', async (t) => {
  const running = await startServer(t, ['-trust-proxy', '127.0.0.1']);
  await answerTo(running, { authorization: 'Bearer x', 'x-forwarded-for': '203.0.113.9' });
  const [refusal] = await reasonsIn(running, 1);
  assert.equal(refusal!.address, '203.0.113.9');
});

test('refused tokens - of several cookies the first says why, in one line', async (t) => {
  const running = await startServer(t);
  const expired = tokenFor('ann', 'news', { expiresIn: -1 });
  assert.equal((await answerTo(running, { cookie: `tidings=${expired}; tidings=x` })).status, 401);
  assert.deepEqual(
    (await reasonsIn(running, 1)).map(({ claim }) => claim),
    ['exp'],
  );
});

test('refused tokens - with a previous secret the reason is that of the secret that fits', async (t) => {
  const other = 'another-secret-for-tests-of-32-bytes';
  const running = await startServer(t, ['-previous-secret', other]);
  for (const secret of [SECRET, other])
    await answerTo(running, {
      authorization: `Bearer ${tokenFor('ann', 'news', { expiresIn: -1, secret })}`,
    });
  assert.deepEqual(
    (await reasonsIn(running, 2)).map(({ reason }) => reason),
    ['has passed', 'has passed'],
  );
});
