/** What a stream's response head says, and what everything that is no stream is answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPENED } from '../support/opening.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const authorised = () => bearer(tokenFor('ann'));

async function headOf(t: Owner, { publicUrl }: RunningServer, lines: readonly string[]) {
  const client = await connectRaw(t, publicUrl);
  client.send(['GET /events/ HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n'));
  const text = await client.until(/\r\n\r\n/);
  return text.slice(0, text.indexOf('\r\n\r\n'));
}

const withToken = () => `Authorization: ${authorised().authorization}`;

test('S-01 head - 200 with the exact type that every client accepts', async (t) => {
  const stream = await openStream(t, (await startServer(t)).eventsUrl, { headers: authorised() });
  assert.equal(stream.status, 200);
  assert.match(String(stream.headers['content-type']), /^text\/event-stream(; charset=utf-8)?$/);
});

test('S-02 head - never a length or an encoding, whatever the client would take', async (t) => {
  const running = await startServer(t);
  for (const accept of ['gzip, br', 'gzip;q=1.0, identity;q=0', '*']) {
    const head = await headOf(t, running, [withToken(), `Accept-Encoding: ${accept}`]);
    assert.doesNotMatch(head, /^content-(length|encoding):/im);
    assert.match(head, /^transfer-encoding: chunked$/im);
  }
});

test('S-03 head - it comes with retry and the position although the channel is silent', async (t) => {
  const stream = await openStream(t, (await startServer(t)).eventsUrl, { headers: authorised() });
  await eventually(() => stream.text.length > 0, { what: 'the first bytes' });
  const open =
    /^retry: \d{4}\nevent: tidings\.open\ndata: \{"heartbeat":15,"expires":\d+\}\nid: [a-z0-9]+-0\n\n:\n$/;
  assert.match(stream.text, open);
});

test('S-04 head - nobody may store, buffer, change or sniff it', async (t) => {
  const running = await startServer(t, ['-cors', 'https://app.example']);
  const { headers } = await openStream(t, running.eventsUrl, { headers: authorised() });
  assert.equal(headers['cache-control'], 'no-cache, no-store, no-transform');
  assert.equal(headers['x-accel-buffering'], 'no');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers.vary, 'Origin');
});

test('S-05 head - Accept and Cache-Control of the request change nothing', async (t) => {
  const running = await startServer(t);
  const variants = ['Accept: */*', 'Accept: text/html', 'Accept: application/json', 'X-None: 1'];
  const heads = [];
  for (const line of [...variants, 'Cache-Control: no-cache', 'Pragma: no-cache']) {
    const head = await headOf(t, running, [withToken(), line]);
    heads.push(head.replace(/\r\nDate: .*/i, ''));
  }
  assert.match(heads[0]!, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(new Set(heads).size, 1, heads.join('\n\n'));
});

test('S-06 methods - HEAD has no body and is no stream; others are 405 with Allow', async (t) => {
  const { eventsUrl, server } = await startServer(t);
  const head = await openStream(t, eventsUrl, { method: 'HEAD', headers: authorised() });
  await head.end();
  assert.deepEqual([head.status, head.text], [200, '']);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
    const reply = await openStream(t, eventsUrl, { method, headers: authorised() });
    await reply.end();
    assert.equal(reply.status, 405, method);
    assert.match(String(reply.headers.allow), /\bGET\b.*\bOPTIONS\b/);
    assert.match(reply.text, /METHOD_NOT_ALLOWED/);
  }
  assert.equal((await statsOf(server)).streams, 0);
});

test('S-06 methods - a HEAD leaves the connection in step for the next request', async (t) => {
  const { publicUrl } = await startServer(t);
  const client = await connectRaw(t, publicUrl);
  const request = (method: string) =>
    `${method} /events/ HTTP/1.1\r\nHost: x\r\n${withToken()}\r\n\r\n`;
  client.send(request('HEAD'));
  await client.until(/\r\n\r\n$/);
  client.send(request('GET'));
  const text = await client.until(OPENED);
  assert.equal(text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 2);
});

test('S-07 paths - with and without slash or query, and nothing else; never a redirect', async (t) => {
  const { publicUrl } = await startServer(t, ['-query-token']);
  for (const path of ['/events', '/events/', '/events?x', '/events/?x=%zz&&=', '/events/?']) {
    const stream = await openStream(t, publicUrl + path, { headers: authorised() });
    assert.equal(stream.status, 200, path);
  }
  const others = [
    '//events/',
    '/EVENTS/',
    '/events/%2e%2e/',
    '/events//',
    '/%65vents/',
    '/events/x',
  ];
  for (const path of [...others, '/', '/token/', '/emit/', '/healthz']) {
    const client = await connectRaw(t, publicUrl);
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${withToken()}\r\n\r\n`);
    const text = await client.until(/\}\n$/);
    assert.match(text, /^HTTP\/1\.1 404 Not Found\r\n/, path);
    assert.match(text, /"error":"NOT_FOUND"/);
    assert.doesNotMatch(text, /^location:/im);
  }
});

test('S-08 paths - every method on an unknown path is a 404 of ours, on both listeners', async (t) => {
  const { publicUrl, controlUrl } = await startServer(t);
  for (const base of [publicUrl, controlUrl]) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const reply = await fetch(`${base}/no/such/path`, { method });
      assert.equal(reply.status, 404, `${method} ${base}`);
      assert.equal(reply.headers.get('content-type'), 'application/json');
      assert.match(await reply.text(), /"error":"NOT_FOUND"/);
    }
  }
});
