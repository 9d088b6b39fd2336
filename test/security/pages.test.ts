/** What the control port shows to a browser: nothing that an emitter or a stranger wrote. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectRaw } from '../support/raw-client.ts';
import { startServer } from '../support/server.ts';
import { emit } from '../support/spawn-server.ts';

const MARKUP = '<img src=x onerror=alert(1)>';

test('X-08 page - runs only what is in it, and shows no name that was emitted', async (t) => {
  const { controlUrl } = await startServer(t, ['-dev']);
  const emitted = await emit(controlUrl, { userId: MARKUP, channel: MARKUP, payload: MARKUP });
  assert.equal(emitted.status, 200, 'markup is an ordinary name');
  const page = await fetch(`${controlUrl}/`);
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(page.headers.get('cache-control'), 'no-store');
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const rule of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"])
    assert.ok(policy.includes(rule), `${rule} in ${policy}`);
  assert.ok(!(await page.text()).includes(MARKUP));
});

test('X-08 page - an address with markup in it stays inside its string', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-page-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'a<'));
  const { controlUrl } = await startServer(t, [
    '-dev',
    '-bind',
    `unix:${folder}/a</script>${MARKUP}`,
  ]);
  const text = await (await fetch(`${controlUrl}/`)).text();
  assert.equal(
    text.split('</script>').length,
    text.split('<script').length,
    'scripts end where they end',
  );
  assert.ok(!text.includes(MARKUP));
});

test('X-08 errors - are JSON that no browser sniffs, and repeat nothing of the request', async (t) => {
  const { controlUrl, publicUrl } = await startServer(t);
  const fields = (name: string, value: string) =>
    new URLSearchParams({ userId: 'ann', channel: 'news', payload: 'x', [name]: value });
  for (const [name, value] of [
    ['channel', `${MARKUP}\n`],
    ['userId', `${MARKUP}\u202e`],
    ['event', MARKUP],
  ] as const) {
    const response = await fetch(`${controlUrl}/emit/`, {
      method: 'POST',
      body: fields(name, value),
    });
    assert.deepEqual(
      [
        response.status,
        response.headers.get('content-type'),
        response.headers.get('x-content-type-options'),
      ],
      [400, 'application/json', 'nosniff'],
    );
    assert.ok(!(await response.text()).includes('<img'), name);
  }
  for (const base of [controlUrl, publicUrl]) {
    const raw = await connectRaw(t, base);
    raw.send(`GET /<img/onerror=alert(1)>?q=<img> HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const answer = await raw.until(/\}\n$/);
    assert.match(answer, /^HTTP\/1\.1 404 /);
    assert.ok(!answer.includes('<img'), answer);
  }
});
