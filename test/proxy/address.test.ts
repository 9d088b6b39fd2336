/** With -trust-proxy the limit of streams for an address counts the clients, not the proxy. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { PROXIES, startBehind } from './proxies.ts';

const headers = bearer(tokenFor('ann'));

for (const kind of PROXIES) {
  const { name, skip } = kind;

  test(`${name} - each client's address has its own limit`, { skip }, async (t) => {
    const args = ['-trust-proxy', '-max-streams-per-address', '1'];
    const behind = await startBehind(t, kind, { args });
    const url = behind.url.replace('localhost', '127.0.0.1');
    const first = await openStream(t, url, { headers });
    await eventually(() => first.text.endsWith(':\n'));

    const second = await openStream(t, url, { headers });
    await second.end();
    const forged = await openStream(t, url, {
      headers: { ...headers, 'x-forwarded-for': '192.0.2.7' },
    });
    await forged.end();
    const elsewhere = await openStream(t, url, { headers, localAddress: '127.0.0.2' });
    await eventually(() => elsewhere.text.endsWith(':\n'));

    for (const refused of [second, forged]) {
      assert.equal(refused.status, 200);
      assert.match(refused.text, /^retry: \d+\n/);
      assert.doesNotMatch(refused.text, /^:/m);
    }
    assert.equal(elsewhere.ended, false);
    assert.equal(first.ended, false);
  });
}
