/** How long streams live: tokens that end, silence that lasts, heads that arrive in pieces. */

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Hub } from '../../src/hub/hub.ts';
import { append as appendTo } from '../support/hub.ts';
import { withoutOpening } from '../support/opening.ts';
import { connectRaw } from '../support/raw-client.ts';
import { ONE_THREAD, startServer, statsOf } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { base64url, bearer, SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const append = (hub: Hub, n: number, text: string) =>
  appendTo(hub, { n, channels: ['news'], to: undefined, bytes: Buffer.from(text) });

test('expiry - announced, then the stream ends at exp on a whole frame, and its token is no use any more', async (t) => {
  const { eventsUrl, log } = await startServer(t);
  const headers = bearer(tokenFor('ann', 'news', { expiresIn: 3 }));
  const stream = await openStream(t, eventsUrl, { headers });
  const notice = await stream.next();
  assert.equal(notice.event, 'tidings.expiring');
  assert.match(notice.data, /^[123]$/);
  assert.match(notice.id ?? '', /-0$/, 'where the client is');
  await stream.end({ withinMs: 6_000 });
  assert.equal(stream.cut, false);
  assert.equal(stream.events.length, 1, 'told once');
  assert.ok(log.some((line) => line['reason'] === 'expired'));
  const again = await openStream(t, eventsUrl, { headers });
  assert.equal(again.status, 401);
});

test('expiry - a token of 60 days does not end at once', async (t) => {
  const { eventsUrl, server } = await startServer(t, ['-heartbeat', '1']);
  const headers = bearer(tokenFor('ann', 'news', { expiresIn: 60 * 86_400 }));
  const stream = await openStream(t, eventsUrl, { headers });
  await eventually(async () => stream.comments.length >= 3, { what: 'two heartbeats' });
  assert.deepEqual([stream.ended, (await statsOf(server)).streams, stream.events], [false, 1, []]);
});

test('silence - 30 s hold nothing but heartbeats, then an event arrives', {
  timeout: 60_000,
}, async (t) => {
  const { eventsUrl, server } = await startServer(t, ['-heartbeat', '5', ...ONE_THREAD]);
  const stream = await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  const began = performance.now();
  await eventually(() => performance.now() - began > 30_000, { withinMs: 31_000 });
  assert.match(withoutOpening(stream.text), /^(:\n){6,8}$/);
  append(server.hub as never, 1, 'data: x\n\n');
  assert.equal((await stream.next()).data, 'x');
});

test('heads - one of 15 KB in pieces is read, one above 16 KB is refused', async (t) => {
  const { publicUrl } = await startServer(t);
  const head = (padding: number) =>
    `GET /events/ HTTP/1.1\r\nHost: x\r\nCookie: a=${'x'.repeat(padding)}; tidings=${tokenFor('ann')}\r\n\r\n`;
  const sendInPieces = async (text: string) => {
    const raw = await connectRaw(t, publicUrl);
    raw.socket.setNoDelay(true);
    for (let at = 0; at < text.length; at += 1_000) {
      raw.send(text.slice(at, at + 1_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return raw;
  };
  const fits = await sendInPieces(head(15_000));
  assert.match(await fits.until(/retry: /), /^HTTP\/1\.1 200 OK\r\n/);
  // Without its end: what the kernel has put together again would be whole, which the addon takes.
  const tooLong = await sendInPieces(head(20_000).slice(0, -2));
  assert.match(await tooLong.until(/HTTP\/1\.1 \d+/), /^HTTP\/1\.1 431 /);
});

test('channels - one token, several channels: each event once, in the order of their numbers', async (t) => {
  const { eventsUrl, server } = await startServer(t, ONE_THREAD);
  const headers = bearer(tokenFor('ann', ['a', 'b', 'a']));
  const stream = await openStream(t, eventsUrl, { headers });
  const emits: [number, string[]][] = [
    [1, ['a']],
    [2, ['b']],
    [3, ['a', 'b']],
    [4, ['c']],
    [5, ['b', 'c']],
  ];
  for (const [n, channels] of emits)
    appendTo(server.hub, { n, channels, to: undefined, bytes: Buffer.from(`data: ${n}\n\n`) });
  await stream.arrived(4);
  assert.deepEqual(
    stream.events.map((event) => event.data),
    ['1', '2', '3', '5'],
  );
});

test('keys - the previous secret verifies but does not sign', async (t) => {
  const old = 'the-old-secret-of-at-least-32-bytes';
  const { eventsUrl, controlUrl } = await startServer(t, ['-previous-secret', old]);
  const status = async (secret: string) =>
    (await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann', 'news', { secret })) }))
      .status;
  assert.deepEqual(
    [await status(SECRET), await status(old), await status('x'.repeat(32))],
    [200, 200, 401],
  );
  const response = await fetch(`${controlUrl}/token/`, {
    method: 'POST',
    body: new URLSearchParams({ userId: 'ann', channel: 'news', exp: '60' }),
  });
  const only = await startServer(t);
  const signed = await openStream(t, only.eventsUrl, { headers: bearer(await response.text()) });
  assert.equal(signed.status, 200, 'signed with the current one');
});

const KEYS = [
  { alg: 'RS256', pair: generateKeyPairSync('rsa', { modulusLength: 2_048 }), hash: 'sha256' },
  { alg: 'ES256', pair: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }), hash: 'sha256' },
  { alg: 'EdDSA', pair: generateKeyPairSync('ed25519'), hash: null },
] as const;

for (const { alg, pair, hash } of KEYS) {
  test(`keys - a public key verifies ${alg} and nothing else; /token/ is off`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidings-key-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    writeFileSync(join(folder, 'key.pem'), pem);
    const { eventsUrl, controlUrl } = await startServer(t, [
      '-public-key',
      join(folder, 'key.pem'),
    ]);
    const claims = { userId: 'ann', channel: 'news', exp: Math.floor(Date.now() / 1_000) + 60 };
    const head = `${base64url(JSON.stringify({ alg, typ: 'JWT' }))}.${base64url(JSON.stringify(claims))}`;
    const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const };
    const token = `${head}.${signBytes(hash, Buffer.from(head), key).toString('base64url')}`;
    const status = async (bearerToken: string) =>
      (await openStream(t, eventsUrl, { headers: bearer(bearerToken) })).status;
    assert.equal(await status(token), 200);
    assert.equal(
      await status(tokenFor('ann', 'news', { secret: pem })),
      401,
      'HS256 keyed with the public key',
    );
    assert.equal(await status(tokenFor('ann')), 401);
    const response = await fetch(`${controlUrl}/token/`, {
      method: 'POST',
      body: new URLSearchParams({ userId: 'ann', channel: 'news', exp: '60' }),
    });
    assert.equal(response.status, 403);
    assert.match(await response.text(), /SIGNING_DISABLED/);
  });
}
