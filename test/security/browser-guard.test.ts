/** Web pages must not reach the control port, and no text that came in may become a header, a frame or a log line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNews, post } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const FORM = 'application/x-www-form-urlencoded';
const BODY = 'userId=*&channel=news&payload=data%3A+forged';

interface Raw {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string | undefined;
  readonly type?: string;
  readonly lines?: readonly string[];
}

/** The head and body of one answer of the control port. */
async function control(t: Owner, { controlUrl }: RunningServer, request: Raw): Promise<string> {
  const { method = 'POST', path = '/emit/', type = FORM, lines = [] } = request;
  const host = 'host' in request ? request.host : new URL(controlUrl).host;
  const client = await connectRaw(t, controlUrl);
  const head = [`${method} ${path} HTTP/1.1`, ...(host === undefined ? [] : [`Host: ${host}`])];
  head.push(`Content-Type: ${type}`, `Content-Length: ${BODY.length}`, ...lines);
  client.send(`${head.join('\r\n')}\r\n\r\n${BODY}`);
  await eventually(() => client.closed || /\r\n\r\n(.*\n)?$/s.test(client.text));
  const { text } = client;
  client.socket.destroy();
  return text;
}

const statusOf = (answer: string): number => Number(answer.slice(9, 12));

test('X-01 pages - a request that a foreign page made is 403 and emits nothing', async (t) => {
  const running = await startServer(t);
  const own = new URL(running.controlUrl).host;
  const foreign = [
    'https://evil.example',
    'null',
    `http://${own}.evil.example`,
    'http://localhost',
    `ftp://${own}`,
    `http://${own}/`,
    'http://127.0.0.1:1',
    'file://',
    'http://',
  ];
  for (const origin of foreign)
    assert.equal(
      statusOf(await control(t, running, { lines: [`Origin: ${origin}`] })),
      403,
      origin,
    );
  for (const lines of [['Sec-Fetch-Site: cross-site'], ['Sec-Fetch-Site: CROSS-SITE']])
    assert.equal(statusOf(await control(t, running, { lines })), 403);
  for (const path of ['/token/', '/healthz', '/', '/nothing'])
    for (const method of ['GET', 'POST', 'OPTIONS', 'HEAD', 'PUT']) {
      const lines = ['Origin: https://evil.example', 'Access-Control-Request-Method: POST'];
      const answer = await control(t, running, { method, path, lines });
      assert.equal(statusOf(answer), 403, `${method} ${path}`);
      assert.doesNotMatch(answer, /^access-control-/im);
    }
  assert.equal((await statsOf(running.server)).channels, 0);
});

// Forms are what backends send, and browsers send an Origin with each; text/plain is not.
test('X-01 pages - of what a page can send without asking only forms are taken, and not from it', async (t) => {
  const running = await startServer(t);
  for (const type of ['text/plain', '', 'text/plain; application/json'])
    assert.equal(statusOf(await control(t, running, { type })), 415, type);
  const lines = ['Origin: https://evil.example'];
  const path = '/emit/?userId=*&channel=news&data=forged';
  for (const type of [FORM, 'multipart/form-data; boundary=x', 'text/plain', ''])
    assert.equal(statusOf(await control(t, running, { type, path, lines })), 403, type);
  const { status } = await fetch(running.controlUrl + path, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(status, 403, 'fields in the query alone');
  assert.equal((await statsOf(running.server)).channels, 0);
  const own = `Origin: ${running.controlUrl}`;
  assert.equal(statusOf(await control(t, running, { lines: [own] })), 200);
});

// What is no host at all is malformed already.
const REFUSED = /^HTTP\/1\.1 (403 |400 .*"error":"REQUEST_MALFORMED")/s;

test('X-02 rebinding - only addresses, localhost and configured names are a Host', async (t) => {
  const running = await startServer(t, ['-ctl-hosts', 'Push.internal']);
  const bad = [
    'rebind.evil',
    'rebind.evil:8001',
    'localhost.evil',
    'localhost.',
    'xlocalhost',
    'localhost:x',
    '127.0.0.1.evil',
    '127.1',
    '2130706433',
    '0x7f.1',
    '127.0.0.1:80:80',
    '[::1',
    '::1]',
    '[evil]',
    'evil@localhost',
    'localhost@evil',
    'localhost/evil',
    'push.internal.evil',
    '127.0.0.1 evil',
  ];
  for (const host of bad)
    for (const path of ['/emit/', '/token/', '/healthz', '/readyz', '/', '/x'])
      assert.match(await control(t, running, { host, path }), REFUSED, `${host} ${path}`);
  assert.ok([400, 403].includes(statusOf(await control(t, running, { host: undefined }))));
  assert.equal((await statsOf(running.server)).channels, 0);
  for (const host of [
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1',
    '[::1]',
    '[::1]:8001',
    '10.1.2.3:99',
    'push.internal',
    'PUSH.INTERNAL:80',
  ])
    assert.equal(statusOf(await control(t, running, { host })), 200, host);
});

test('X-02 rebinding - it is refused before the body is there', async (t) => {
  const { controlUrl } = await startServer(t);
  const client = await connectRaw(t, controlUrl);
  client.send('POST /emit/ HTTP/1.1\r\nHost: evil\r\nContent-Length: 1000\r\n\r\n');
  assert.match(await client.until(/FOREIGN_HOST/), /^HTTP\/1\.1 403 /);
});

test('X-04 control token - what is nearly right is answered like what is absent', async (t) => {
  const token = 'correct-horse-battery';
  const running = await startServer(t, ['-ctl-token', token]);
  const ask = async (authorization?: string) => {
    const lines = authorization === undefined ? [] : [`Authorization: ${authorization}`];
    return (await control(t, running, { lines })).replace(/Date: .*\r\n/i, '');
  };
  const absent = await ask();
  assert.equal(statusOf(absent), 401);
  const bad = [
    '',
    'Bearer',
    'Bearer ',
    token,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token}x`,
    `Bearer ${token.toUpperCase()}`,
    `Basic ${token}`,
    `Bearer  ${token}x`,
    `Bearer ${'x'.repeat(15_000)}`,
    `Bearer ${tokenFor('ann')}`,
    'Bearer undefined',
  ];
  for (const value of bad) assert.equal(await ask(value), absent, value.slice(0, 60));
  assert.equal((await statsOf(running.server)).channels, 0);
  for (const path of ['/token/', '/healthz', '/readyz', '/x'])
    assert.equal(statusOf(await control(t, running, { path })), 401, path);
  assert.equal(statusOf(await ask(`bearer ${token}`)), 200);
});

test('X-04 control token - one with letters beyond ASCII is either refused at the start or works', async (t) => {
  const token = 'pässwörd-geheim';
  let running: RunningServer;
  try {
    running = await startServer(t, ['-ctl-token', token]);
  } catch {
    return; // refused
  }
  const utf8 = Buffer.from(`Authorization: Bearer ${token}`).toString('latin1');
  assert.equal(statusOf(await control(t, running, { lines: [utf8] })), 200);
});

test('X-05 injection - line ends in names and events make neither header nor frame', async (t) => {
  const running = await startServer(t, ['-cors', 'https://app.example']);
  const ann = await openNews(t, running);
  const nasty = ['x\r\nSet-Cookie: a=1', 'x\n\ndata: forged', 'x\rdata: forged', 'x\u2028y\u0085z'];
  for (const text of nasty) {
    for (const body of [
      { userId: text, channel: 'news', data: 'x' },
      { userId: '*', channel: text, data: 'x' },
      { userId: ['ann', text], channel: ['news', text], data: 'x' },
    ]) {
      const reply = await post(`${running.controlUrl}/emit/`, body);
      assert.equal(reply.status, 400, text);
      assert.equal(reply.headers.get('set-cookie'), null);
    }
  }
  for (const event of nasty.slice(0, 3)) {
    const body = { userId: '*', channel: 'news', data: 'x', event };
    assert.equal((await post(`${running.controlUrl}/emit/`, body)).status, 400);
  }
  const data = 'x\n\nid: forged\n\nevent: forged\r\n\r\ndata: forged';
  await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data });
  assert.equal((await ann.next()).data, data.replaceAll('\r\n', '\n'));
  assert.equal(ann.events.length, 1);
  // An escaped line end stays escaped: paths and queries are never echoed.
  const client = await connectRaw(t, running.publicUrl);
  client.send(
    'GET /%0d%0aSet-Cookie:%20a=1?x=%0d%0aX: y HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example%0d%0aX-Evil: 1\r\nLast-Event-ID: a%0d%0aX-Evil: 1\r\n\r\n',
  );
  assert.doesNotMatch(await client.until(/HTTP\/1\.1 \d+/), /evil|set-cookie/i);
});

test('X-06 logs - every line is one JSON object, and no control character gets in', async (t) => {
  const running = await startServer(t);
  const names = ['a b', '"quoted"', "it's", '\\n', '{"msg":"x"}', '%0a', '日本'];
  for (const user of names) {
    const token = tokenFor(user, user);
    const reply = await fetch(running.eventsUrl, { headers: bearer(token) });
    assert.equal(reply.status, 200, user);
    await reply.body?.cancel();
  }
  for (const user of ['\x1b[2J', 'a\nb', 'x'.repeat(1_000_000)])
    await post(`${running.controlUrl}/emit/`, { userId: user, channel: 'c', data: '' });
  await fetch(`${running.publicUrl}/${encodeURIComponent('\x1b[2J\n')}`);
  await running.server.stop();
  // The logger of `startServer` has parsed every line as JSON on its way in.
  assert.ok(running.log.length > names.length);
  for (const line of running.log) assert.doesNotMatch(Object.values(line).join(), /\p{Cc}/u);
  assert.ok(running.log.every((line) => JSON.stringify(line).length < 4_096));
});
