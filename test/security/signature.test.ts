/** Tokens that somebody forged, bent or cut: all are 401, all alike (RFC 8725). */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { test } from 'node:test';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { base64url, SECRET, sign, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
const GOOD = () => ({ userId: 'ann', channel: 'news', exp: inAnHour() });
const goodJson = () => JSON.stringify(GOOD());

/** Status and everything else that a client gets to see, without the date. */
async function answerTo(t: Owner, { publicUrl }: RunningServer, headers: string): Promise<string> {
  const client = await connectRaw(t, publicUrl);
  client.send(`GET /events/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  const text = await client.until(/^HTTP\/1\.1 (?!200).*\}\n$|retry: \d+\n/s);
  client.socket.destroy();
  return text.replace(/Date: .*\r\n/i, '');
}

const withBearer = (token: string) => `Authorization: Bearer ${token}\r\n`;

async function refuses(t: Owner, running: RunningServer, tokens: Record<string, string>) {
  const expected = await answerTo(t, running, '');
  assert.match(expected, /^HTTP\/1\.1 401 Unauthorized\r\n/);
  assert.match(expected, /WWW-Authenticate: Bearer error="invalid_token"\r\n/);
  for (const [name, token] of Object.entries(tokens))
    assert.equal(await answerTo(t, running, withBearer(token)), expected, name);
  assert.equal((await statsOf(running.server)).streams, 0);
  assert.deepEqual(
    running.log.filter((line) => line['msg'] === 'request failed'),
    [],
  );
}

const unsigned = (alg: unknown) =>
  `${base64url(JSON.stringify({ alg, typ: 'JWT' }))}.${base64url(goodJson())}.`;

test('J-01 signature - no algorithm, no signature', async (t) => {
  const [head, body] = tokenFor('ann').split('.');
  await refuses(t, await startServer(t), {
    none: unsigned('none'),
    None: unsigned('None'),
    NONE: unsigned('NONE'),
    'none, signed': sign(goodJson(), SECRET, { alg: 'none' }),
    'empty signature': `${head}.${body}.`,
    'empty algorithm': sign(goodJson(), SECRET, { alg: '' }),
    'no algorithm': sign(goodJson(), SECRET, { typ: 'JWT' }),
    'algorithm is an array': sign(goodJson(), SECRET, { alg: ['HS256'] }),
    'algorithm is null': sign(goodJson(), SECRET, { alg: null }),
    'lower case': sign(goodJson(), SECRET, { alg: 'hs256' }),
  });
});

function signedAs(alg: string, hash: string): string {
  const head = `${base64url(JSON.stringify({ alg, typ: 'JWT' }))}.${base64url(goodJson())}`;
  return `${head}.${createHmac(hash, SECRET).update(head).digest('base64url')}`;
}

test('J-02 signature - another algorithm than HS256 with our own secret', async (t) => {
  const tokens = Object.fromEntries(
    ['RS256', 'ES256', 'PS256', 'EdDSA', 'HS384', 'HS512'].map((alg) => [
      alg,
      signedAs(alg, 'sha256'),
    ]),
  );
  tokens['HS384, truly'] = signedAs('HS384', 'sha384');
  tokens['HS512, truly'] = signedAs('HS512', 'sha512');
  tokens['HS256 by sha512'] = signedAs('HS256', 'sha512');
  await refuses(t, await startServer(t), tokens);
});

test('J-03 signature - a public key is no HMAC secret, and a server with a secret takes no RS256', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const head = `${base64url('{"alg":"RS256"}')}.${base64url(goodJson())}`;
  const rs256 = `${head}.${signWith('sha256', Buffer.from(head), privateKey).toString('base64url')}`;
  await refuses(t, await startServer(t), { rs256, 'HS256 by PEM': sign(goodJson(), pem) });
});

test('J-06 signature - critical extensions that we do not know', async (t) => {
  const header = { alg: 'HS256', typ: 'JWT' };
  await refuses(t, await startServer(t), {
    crit: sign(goodJson(), SECRET, { ...header, crit: ['x'], x: 1 }),
    'crit exp': sign(goodJson(), SECRET, { ...header, crit: ['exp'] }),
    'crit b64': sign(goodJson(), SECRET, { ...header, crit: ['b64'], b64: false }),
    'crit is no array': sign(goodJson(), SECRET, { ...header, crit: 'x' }),
  });
});

test('J-15 shape - sizes, parts, padding, blanks and foreign characters', async (t) => {
  const good = tokenFor('ann');
  const [head, body, signature] = good.split('.') as [string, string, string];
  await refuses(t, await startServer(t), {
    '2 parts': `${head}.${body}`,
    '4 parts': `${good}.${signature}`,
    'trailing dot': `${good}.`,
    'leading dot': `.${good}`,
    'empty head': `.${body}.${signature}`,
    'empty body': `${head}..${signature}`,
    dots: '..',
    padding: `${good}=`,
    'padded parts': `${head}=.${body}=.${signature}=`,
    'inner blank': `${head}. ${body}.${signature}`,
    'inner tab': `${head}.\t${body}.${signature}`,
    escapes: good.replaceAll('.', '%2E'),
    quotes: `"${good}"`,
    twice: `${good},${good}`,
    // Behind a whole token they would not be seen: the addon ends a value at the first such byte.
    'Latin-1': `${head}.${body}\u00e9.${signature}`,
    'UTF-8': Buffer.from(`${head}.${body}é€.${signature}`).toString('latin1'),
    'plus and slash': `${head}.${body}.++//${signature.slice(4)}`,
    '8 KB': `${head}.${body}.${'A'.repeat(8_000)}`,
    '15 KB of body': sign(JSON.stringify({ ...GOOD(), x: 'y'.repeat(11_000), userId: '' })),
    'not JSON': sign('{'),
    'no object': sign('"ann"'),
    null: sign('null'),
    array: sign(`[${goodJson()}]`),
    number: sign('1e999'),
    'not UTF-8': sign(Buffer.from([0xff, 0xfe])),
    'not UTF-8 in a claim': sign(Buffer.from(JSON.stringify({ ...GOOD(), x: '\xff' }), 'latin1')),
  });
});

test('J-15 shape - a token of 64 KB or 1 MB gets an answer or a closed connection, and no stream', async (t) => {
  const { publicUrl, server } = await startServer(t);
  for (const size of [64_000, 1_000_000]) {
    const client = await connectRaw(t, publicUrl);
    client.send(`GET /events/ HTTP/1.1\r\nHost: x\r\n${withBearer('A'.repeat(size))}\r\n`);
    // A server that reads no more may take the answer back with the connection.
    await eventually(() => client.closed || /^HTTP\/1\.1 4\d\d /.test(client.text));
    assert.doesNotMatch(client.text, /^HTTP\/1\.1 [^4]/);
    client.socket.destroy();
  }
  assert.equal((await statsOf(server)).streams, 0);
});

test('J-16 shape - a payload 10,000 levels deep', async (t) => {
  const running = await startServer(t);
  const depth = 4_000; // base64 of 10,000 levels on both sides is more than a head may hold
  const nest = `${'['.repeat(depth)}${']'.repeat(depth)}`;
  await refuses(t, running, {
    'as the userId': sign(`{"userId":${nest},"channel":"news","exp":${inAnHour()}}`),
    'not closed': sign(`{"userId":${'['.repeat(10_000)}`),
  });
  const aside = sign(`{"x":${nest},"userId":"ann","channel":"news","exp":${inAnHour()}}`);
  assert.match(await answerTo(t, running, withBearer(aside)), /^HTTP\/1\.1 (200|401) /);
});

test('J-17 sources - schemes and blanks; the header goes before the cookie, the cookie before the query', async (t) => {
  const running = await startServer(t, ['-query-token']);
  const good = tokenFor('ann');
  const expired = tokenFor('ann', 'news', { expiresIn: -1 });
  const status = async (headers: string) =>
    (await answerTo(t, running, headers)).slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3);
  const cases: [string, string][] = [
    [`Authorization: bearer ${good}\r\n`, '200'],
    [`Authorization: BEARER ${good}\r\n`, '200'],
    [`Authorization: Bearer  ${good}\r\n`, '200'],
    ['Authorization: Bearer\r\n', '401'],
    ['Authorization: Bearer \r\n', '401'],
    [`Authorization: Basic ${good}\r\n`, '401'],
    [`Authorization: Bearer${good}\r\n`, '401'],
    [`Authorization: ${good}\r\n`, '401'],
    [`Authorization: xBearer ${good}\r\n`, '401'],
    [`Cookie: a=b; tidings=${good}; c=d\r\n`, '200'],
    [`Cookie: xtidings=${good}\r\n`, '401'],
    [`Cookie: tidings=bad\r\n${withBearer(good)}`, '200'],
    [`Cookie: tidings=${good}\r\n${withBearer('bad')}`, '401'],
    [`Cookie: a=b\r\nCookie: tidings=${good}\r\n`, '200'],
    [`Cookie: tidings=bad\r\nCookie: a=b; tidings=${good}\r\n`, '200'],
    [`Cookie: tidings=${expired}; tidings=${good}\r\n`, '200'],
    [`Cookie: tidings=${good}; tidings=${expired}\r\n`, '200'],
    [`Cookie: tidings; tidings=; tidings=${good}\r\n`, '200'],
    [`Cookie: tidings=${expired}; tidings=bad\r\n`, '401'],
    [`Cookie: ${'tidings=bad; '.repeat(7)}tidings=${good}\r\n`, '200'],
    [`Cookie: ${'tidings=bad; '.repeat(8)}tidings=${good}\r\n`, '401'],
    // Of two headers the first counts.
    [`${withBearer(good)}${withBearer('bad')}`, '200'],
    [`${withBearer('bad')}${withBearer(good)}`, '401'],
  ];
  for (const [headers, expected] of cases)
    assert.equal(await status(headers), expected, headers.replaceAll(good, '<good>'));
  const byQuery = (query: string, headers = {}) =>
    fetch(`${running.eventsUrl}?${query}`, { headers });
  for (const [query, headers, expected] of [
    [`token=${good}`, {}, 200],
    [`token=bad&token=${good}`, {}, 401],
    [`token=${good}`, { cookie: 'tidings=bad' }, 401],
    [`token=${good}`, { authorization: 'Bearer bad' }, 401],
  ] as const) {
    const reply = await byQuery(query, headers);
    assert.equal(reply.status, expected, JSON.stringify([query.replace(good, '<good>'), headers]));
    await reply.body?.cancel();
  }
  const closed = await startServer(t);
  assert.equal((await fetch(`${closed.eventsUrl}?token=${good}`)).status, 401);
});

test('J-18 signature - one bit changed in any character of a good token', async (t) => {
  const good = tokenFor('ann');
  const tokens: Record<string, string> = {};
  const sameBits = new Set(equivalents(good));
  for (let at = 0; at < good.length; at += 1) {
    const code = good.charCodeAt(at);
    for (const bit of [1, 2, 32]) {
      const changed = `${good.slice(0, at)}${String.fromCharCode(code ^ bit)}${good.slice(at + 1)}`;
      if (/^[!-~]+$/.test(changed) && !sameBits.has(changed)) tokens[`${at}^${bit}`] = changed;
    }
  }
  assert.ok(Object.keys(tokens).length > good.length);
  await refuses(t, await startServer(t), tokens);
});

/** The other spellings of the last character: 43 characters hold 258 bits, a signature has 256. */
function equivalents(token: string): string[] {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const value = digits.indexOf(token.at(-1)!);
  return [1, 2, 3].map((slack) => token.slice(0, -1) + digits[(value & ~3) | slack]);
}

test('J-19 signature - the spare bits of its last character make it no other user, nor a longer life', async (t) => {
  const running = await startServer(t, ['-max-streams-per-user', '1']);
  const [first, ...others] = [tokenFor('ann'), ...equivalents(tokenFor('ann'))];
  assert.match(await answerTo(t, running, withBearer(first!)), /^HTTP\/1\.1 200 /);
  const expired = tokenFor('ann', 'news', { expiresIn: -1 });
  const late = Object.fromEntries(equivalents(expired).map((token) => [token.at(-1)!, token]));
  for (const token of others)
    assert.match(await answerTo(t, running, withBearer(token)), /^HTTP\/1\.1 (200|401|503) /);
  await refuses(t, await startServer(t), { expired, ...late });
});
