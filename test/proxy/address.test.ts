/** With -trust-proxy the limit of streams for an address counts the clients, not the proxy. */
import assert from 'node:assert/strict';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { behindEach, startBehind } from './proxies.ts';

const headers = bearer(tokenFor('ann'));
// The proxy itself talks to the server from 127.0.0.1, so that one is no client here.
const ANN = '127.0.0.2';
const BOB = '127.0.0.3';

behindEach("each client's address has its own limit", async (t, kind) => {
  const args = ['-trust-proxy', '127.0.0.1', '-max-streams-per-address', '1'];
  const behind = await startBehind(t, kind, { args });
  const url = behind.url.replace('localhost', '127.0.0.1');
  const first = await openStream(t, url, { headers, localAddress: ANN });
  await eventually(() => first.text.endsWith(':\n'));

  const second = await openStream(t, url, { headers, localAddress: ANN });
  await second.end();
  const forged = await openStream(t, url, {
    headers: { ...headers, 'x-forwarded-for': BOB },
    localAddress: ANN,
  });
  await forged.end();
  const elsewhere = await openStream(t, url, { headers, localAddress: BOB });
  await eventually(() => elsewhere.text.endsWith(':\n'));

  for (const refused of [second, forged]) {
    assert.equal(refused.status, 200);
    assert.match(refused.text, /^retry: \d+\n/);
    assert.doesNotMatch(refused.text, /^:/m);
  }
  assert.equal(elsewhere.ended, false);
  assert.equal(first.ended, false);
});
