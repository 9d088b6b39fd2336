/** With which keys and addresses a server starts, and what it shows of its secrets. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';
import { CLI, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, SECRET, sign, tokenFor } from '../support/tokens.ts';

const FREE = ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0'];

function startFails(args: readonly string[], message: RegExp): void {
  const { PATH } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [CLI, ...FREE, ...args], {
    env: { PATH },
    encoding: 'utf8',
    timeout: 10_000,
  });
  assert.equal(status, 2, `${args.join(' ').slice(0, 80)}: ${stderr}`);
  assert.match(stderr, message);
}

test('J-03 keys - a PEM or a JWK as the secret is refused at the start', () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
  for (const secret of [pem, ` \n${pem}`, `x${pem}`, jwk, ` ${jwk}`]) {
    startFails(['-secret', secret], /key file/);
    startFails(['-secret', SECRET, '-previous-secret', secret], /key file/);
  }
});

// By design a short secret starts with a warning: existing installations have them.
test('J-04 keys - no secret or a blank one is refused, a short one starts with a warning', async (t) => {
  startFails([], /no secret/);
  startFails(['-secret', ''], /must not be empty/);
  startFails(['-secret', ' \t\n '], /empty/);
  for (const [secret, warnings] of [
    ['a', 1],
    ['x'.repeat(31), 1],
    ['x'.repeat(32), 0],
    ['é'.repeat(16), 0],
  ] as const) {
    const server = await spawnServer(t, ['-secret', secret]);
    const said = server.log().filter((line) => /shorter than 32/.test(String(line['msg'])));
    assert.equal(said.length, warnings, secret);
  }
});

test('J-05 keys - what a token says of its key is not looked up anywhere', async (t) => {
  const { eventsUrl } = await startServer(t);
  const payload = JSON.stringify({
    userId: 'ann',
    channel: 'news',
    exp: Math.floor(Date.now() / 1000) + 60,
  });
  for (const extra of [
    { kid: '../../../../dev/null' },
    { kid: "' OR 1=1 --" },
    { kid: 'x'.repeat(8_000) },
    { jku: 'http://127.0.0.1:9/', x5u: 'http://127.0.0.1:9/' },
    { jwk: { kty: 'oct', k: '' }, x5c: ['x'] },
  ]) {
    const header = { alg: 'HS256', typ: 'JWT', ...extra };
    const good = await openStream(t, eventsUrl, { headers: bearer(sign(payload, SECRET, header)) });
    assert.equal(good.status, 200, JSON.stringify(extra).slice(0, 80));
    for (const key of ['', '\0', 'x']) {
      const forged = await openStream(t, eventsUrl, {
        headers: bearer(sign(payload, key, header)),
      });
      assert.equal(forged.status, 401);
    }
  }
});

test('J-22 keys - the previous secret opens streams and signs nothing; any other is 401', async (t) => {
  const old = 'an-older-secret-of-32-bytes-or-more-too';
  const { eventsUrl, controlUrl } = await startServer(t, ['-previous-secret', old]);
  for (const [secret, status] of [
    [SECRET, 200],
    [old, 200],
    ['another-secret-of-32-bytes-or-more-at-all', 401],
  ] as const) {
    const headers = bearer(tokenFor('ann', 'news', { secret }));
    assert.equal((await openStream(t, eventsUrl, { headers })).status, status);
  }
  const body = new URLSearchParams({ userId: 'ann', channel: 'news', exp: '60' });
  const token = await (await fetch(`${controlUrl}/token/`, { method: 'POST', body })).text();
  const only = await startServer(t);
  assert.equal((await openStream(t, only.eventsUrl, { headers: bearer(token) })).status, 200);
  const late = bearer(tokenFor('ann', 'news', { secret: old }));
  assert.equal((await openStream(t, only.eventsUrl, { headers: late })).status, 401);
});

test('X-03 addresses - the control port is not opened to other machines without a token', () => {
  for (const address of ['0.0.0.0:0', '[::]:0', ':0', '10.0.0.1:0'])
    startFails(['-secret', SECRET, '-bindctl', address], /set -ctl-token/);
});

test('X-07 secrets - neither command line nor logs nor answers hold a secret or a token', async (t) => {
  const secrets = [
    SECRET,
    'a-control-token-of-some-length',
    'the-previous-secret-of-32-bytes-is-here',
  ];
  const args = ['-ctl-token', secrets[1]!, '-previous-secret', secrets[2]!];
  const server = await spawnServer(t, [...args, '-query-token', '-log-level', 'debug']);
  const token = tokenFor('ann');
  const shown: string[] = [readFileSync(`/proc/${server.process.pid}/cmdline`, 'latin1')];
  const stream = await openStream(t, `${server.publicUrl}/events/?token=${token}`);
  assert.equal(stream.status, 200);
  for (const bad of [`${token}x`, tokenFor('ann', 'news', { expiresIn: -5 }), 'x'])
    shown.push(await (await fetch(`${server.publicUrl}/events/?token=${bad}`)).text());
  shown.push(await (await fetch(`${server.controlUrl}/emit/`, { method: 'POST' })).text());
  stream.close();
  await server.stop();
  shown.push(JSON.stringify(server.log()), server.stdout());
  for (const secret of [...secrets, token, token.split('.')[2]!])
    for (const text of shown) assert.equal(text.includes(secret), false, text.slice(0, 200));
});
