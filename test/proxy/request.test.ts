/** What a browser sends reaches the server through every proxy, and nothing but the stream is reachable. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { emit } from '../support/spawn-server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { type Behind, behindEach, startBehind } from './proxies.ts';

const emitNews = (behind: Behind, payload: string) =>
  emit(behind.server.controlUrl, { userId: '*', channel: 'news', payload });

/** A plain server that keeps the last request it got. */
async function startRecorder(t: Owner) {
  let last: http.IncomingMessage | undefined;
  const server = http.createServer((request, response) => {
    last = request;
    response.setHeader('content-type', 'text/event-stream').end(':\n');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const request = () => last ?? assert.fail('no request arrived');
  return { port: (server.address() as AddressInfo).port, request };
}

behindEach('the token passes in the Authorization header', async (t, kind) => {
  const behind = await startBehind(t, kind);
  const stream = await openStream(t, behind.url, { headers: bearer(tokenFor('ann')) });
  await emitNews(behind, 'data: hello');
  assert.equal((await stream.next()).data, 'hello');
});

behindEach('a refusal passes with its reason', async (t, kind) => {
  const { url } = await startBehind(t, kind);
  const refused = await openStream(t, url);
  await refused.end();
  assert.equal(refused.status, 401);
  assert.equal(refused.headers['www-authenticate'], 'Bearer error="invalid_token"');
});

behindEach('a token at the end of many cookies passes', async (t, kind) => {
  const behind = await startBehind(t, kind);
  const last = `; tidings=${tokenFor('ann')}`;
  const cookie = `filler=${'x'.repeat(kind.cookieBytes - 'filler='.length - last.length)}${last}`;
  const stream = await openStream(t, behind.url, { headers: { cookie } });
  assert.equal(stream.status, 200);
  await emitNews(behind, 'data: hello');
  assert.equal((await stream.next()).data, 'hello');
});

behindEach('the request arrives as the browser sent it', async (t, kind) => {
  const { port, request } = await startRecorder(t);
  const proxy = await kind.start(t, { publicPort: port });
  const sent = {
    ...bearer('a.b.c'),
    accept: 'text/event-stream',
    cookie: 'tidings=a.b.c; theme=dark',
    'last-event-id': 'k3v9-41',
    origin: 'https://example.com',
  };

  const forged = { 'x-forwarded-for': '192.0.2.7' };
  await openStream(t, `${proxy.url}/api/sse/?lastEventId=k3v9-41&token=a.b.c`, {
    headers: { ...sent, ...forged },
  });

  const { method, url, headers, httpVersion } = request();
  assert.equal(`${method} ${url}`, 'GET /events/?lastEventId=k3v9-41&token=a.b.c');
  assert.equal(httpVersion, '1.1');
  for (const [field, value] of Object.entries(sent)) assert.equal(headers[field], value);
  assert.match(String(headers.host), /^localhost\b/);
  assert.equal(headers['x-forwarded-for'], kind.forwardedFor);
});

behindEach('the control port cannot be reached', async (t, kind) => {
  const { proxy } = await startBehind(t, kind);
  for (const method of ['GET', 'POST']) {
    for (const path of ['/emit/', '/token/', '/api/sse/emit/', '/api/sse/..%2Femit/', '/healthz']) {
      const headers = bearer(tokenFor('ann'));
      const answer = await openStream(t, proxy.url + path, { method, headers });
      assert.equal(answer.status, 404, `${method} ${path}`);
    }
  }
});
