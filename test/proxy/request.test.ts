/** What a browser sends reaches the server through every proxy, and nothing but the stream is reachable. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { emit } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { type Behind, PROXIES, startBehind } from './proxies.ts';

/** What browsers may send in all cookies of a site, and what Apache's plain block still takes. */
const COOKIE_BYTES = 8_100;

const emitNews = (behind: Behind, payload: string) =>
  emit(behind.server.controlUrl, { userId: '*', channel: 'news', payload });

for (const kind of PROXIES) {
  const { name, skip } = kind;

  test(`${name} - the token passes in the Authorization header`, { skip }, async (t) => {
    const behind = await startBehind(t, kind);
    const stream = await openStream(t, behind.url, { headers: bearer(tokenFor('ann')) });
    await emitNews(behind, 'data: hello');
    assert.equal((await stream.next()).data, 'hello');
  });

  test(`${name} - a refusal passes with its reason`, { skip }, async (t) => {
    const { url } = await startBehind(t, kind);
    const refused = await openStream(t, url);
    await refused.end();
    assert.equal(refused.status, 401);
    assert.equal(refused.headers['www-authenticate'], 'Bearer error="invalid_token"');
  });

  test(`${name} - a token at the end of 8 kB of cookies passes`, { skip }, async (t) => {
    const behind = await startBehind(t, kind);
    const last = `; tidings=${tokenFor('ann')}`;
    const cookie = `filler=${'x'.repeat(COOKIE_BYTES - 'filler='.length - last.length)}${last}`;
    const stream = await openStream(t, behind.url, { headers: { cookie } });
    assert.equal(stream.status, 200);
    await emitNews(behind, 'data: hello');
    assert.equal((await stream.next()).data, 'hello');
  });

  test(`${name} - a stream resumes after Last-Event-ID or ?lastEventId=`, { skip }, async (t) => {
    const behind = await startBehind(t, kind);
    const headers = bearer(tokenFor('ann'));
    const first = await emitNews(behind, 'data: 1');
    await emitNews(behind, 'data: 2');
    const id = String(first.body['id']);

    const byHeader = await openStream(t, behind.url, {
      headers: { ...headers, 'last-event-id': id },
    });
    const byQuery = await openStream(t, `${behind.url}?lastEventId=${id}`, { headers });

    assert.equal((await byHeader.next()).data, '2');
    assert.equal((await byQuery.next()).data, '2');
  });

  test(`${name} - the control port cannot be reached`, { skip }, async (t) => {
    const { proxy } = await startBehind(t, kind);
    for (const method of ['GET', 'POST']) {
      for (const path of ['/emit/', '/token/', '/api/sse/emit/', '/api/sse/../emit/', '/healthz']) {
        const headers = bearer(tokenFor('ann'));
        const answer = await openStream(t, proxy.url + path, { method, headers });
        assert.match(String(answer.status), /^4\d\d$/, `${method} ${path}`);
      }
    }
  });
}
