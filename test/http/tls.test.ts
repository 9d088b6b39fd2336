import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { append } from '../support/hub.ts';
import { ONE_THREAD, startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

test('tls - streams over https with -cert and -key, the control port stays plain', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const openssl = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=localhost',
  ];
  try {
    execFileSync('openssl', [...openssl, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  } catch {
    return t.skip('openssl is not installed');
  }
  const { eventsUrl, controlUrl, server } = await startServer(t, [
    '-cert',
    cert,
    '-key',
    key,
    ...ONE_THREAD,
  ]);
  assert.match(eventsUrl, /^https:/);
  const stream = await openStream(t, eventsUrl, { headers: bearer(tokenFor('ann')) });
  assert.equal(stream.status, 200);
  const large = 'x'.repeat(100_000);
  for (const [i, text] of ['first', large, 'last'].entries())
    append(server.hub, {
      n: i + 1,
      channels: ['news'],
      to: undefined,
      bytes: Buffer.from(`data: ${text}\n\n`),
    });
  await stream.arrived(3);
  assert.deepEqual(
    stream.events.map((event) => event.data),
    ['first', large, 'last'],
  );
  assert.equal((await fetch(`${controlUrl}/healthz`)).status, 200);
});
