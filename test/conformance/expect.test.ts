/** `Expect: 100-continue`: a client that asks first is told to send, or told why not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNews } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

const BODY = 'userId=*&channel=news&payload=data:x';

const asking = (expect: string, length: number) =>
  `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nExpect: ${expect}\r\n` +
  `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${length}\r\n\r\n`;

for (const expect of ['100-continue', '100-Continue', '100-CONTINUE']) {
  test(`expect - ${expect}: 100 at once, then one answer, and the connection stays in step`, async (t) => {
    const running = await startServer(t);
    const ann = await openNews(t, running);
    const client = await connectRaw(t, running.controlUrl);
    for (let i = 1; i <= 2; i += 1) {
      const before = client.text.length;
      const news = () => client.text.slice(before);
      client.send(asking(expect, BODY.length));
      await eventually(() => news() !== '', { what: 'a word about the body' });
      assert.equal(news(), 'HTTP/1.1 100 Continue\r\n\r\n');
      client.send(BODY);
      await eventually(() => news().includes('"streams":1'), { what: 'the answer' });
      assert.match(
        news(),
        /Continue\r\n\r\nHTTP\/1\.1 200 OK\r\nContent-Type: application\/json\r\n/,
      );
      assert.equal(news().match(/HTTP\/1\.1/g)?.length, 2);
    }
    client.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match(await client.until(/"status":"ok"/), /\nHTTP\/1\.1 200 OK\r\n.*"ok"\}\n$/s);
    assert.equal((await ann.arrived(2)).length, 2);
  });
}

test('expect - the error of a body that was asked for is an answer of its own', async (t) => {
  const { controlUrl } = await startServer(t);
  const client = await connectRaw(t, controlUrl);
  client.send(asking('100-Continue', 5));
  await client.until(/100 Continue\r\n\r\n$/);
  client.send('x=yyy');
  await client.until(/FIELD_MISSING/);
  assert.match(client.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/);
});

// For 100-continue in lower case the addon asks before we hear of the request.
test('expect - a body that is too large is not asked for', async (t) => {
  const { controlUrl } = await startServer(t, ['-max-body', '1024']);
  for (const [expect, first] of [
    ['100-Continue', /^HTTP\/1\.1 413 /],
    ['100-continue', /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 413 /],
  ] as const) {
    const client = await connectRaw(t, controlUrl);
    client.send(asking(expect, 1025));
    assert.match(await client.until(/BODY_TOO_LARGE/), first);
  }
});
