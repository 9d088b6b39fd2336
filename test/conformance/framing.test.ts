/** Requests that can be understood in two ways, byte by byte, at both listeners: 400, and nothing behind them is run. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openNews } from '../support/emitting.ts';
import { connectRaw, type RawClient, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const FORM = 'Content-Type: application/x-www-form-urlencoded\r\n';
const BODY = 'userId=*&channel=news&payload=data:x';
const CHUNK = `${BODY.length.toString(16)}\r\n${BODY}`;

const emitHead = (lines: string) =>
  `POST /emit/ HTTP/1.1\r\nHost: localhost\r\n${FORM}${lines}\r\n`;
const SMUGGLED = `${emitHead(`Content-Length: ${BODY.length}\r\n`)}${BODY}`;

/** Where a request goes, what would be a good one there, and what may follow it in hope. */
const LISTENERS = {
  public: { url: (running: RunningServer) => running.publicUrl, line: 'GET /nothing HTTP/1.1' },
  control: { url: (running: RunningServer) => running.controlUrl, line: 'POST /emit/ HTTP/1.1' },
};

/** The bytes are sent, and answered or not; then the connection is closed. */
async function sent(t: TestContext, url: string, ...pieces: string[]): Promise<RawClient> {
  const client = await connectRaw(t, url);
  client.socket.setNoDelay(true);
  for (const piece of pieces) {
    client.send(Buffer.from(piece, 'latin1'));
    await new Promise(setImmediate);
  }
  await eventually(() => client.closed, {
    withinMs: 20_000,
    what: `the end behind ${JSON.stringify(pieces)}, got ${client.text}`,
  });
  return client;
}

const answersIn = ({ text }: RawClient): string[] => text.match(/HTTP\/1\.1 \d{3}/g) ?? [];

const HEADS: Record<string, string> = {
  'two lengths': 'Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n',
  'the same length twice': 'Host: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n',
  'an unknown coding': 'Host: localhost\r\nTransfer-Encoding: xchunked\r\n',
  'a coding before chunked': 'Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n',
  identity: 'Host: localhost\r\nTransfer-Encoding: identity\r\n',
  'chunked twice':
    'Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
  'a coding and one more': 'Host: localhost\r\nTransfer-Encoding: identity, chunked\r\n',
  'two hosts': 'Host: localhost\r\nHost: localhost\r\nContent-Length: 0\r\n',
  'two different hosts': 'Host: localhost\r\nHost: evil.example\r\nContent-Length: 0\r\n',
  'a host with a path': 'Host: localhost/evil\r\nContent-Length: 0\r\n',
  'a host with a user': 'Host: evil@localhost\r\nContent-Length: 0\r\n',
  'a host with a blank': 'Host: local host\r\nContent-Length: 0\r\n',
};

// The binaries for Node 22 and later refuse a second Host themselves, with a page of their own.
const refusesHosts = Number(process.versions.modules) >= 127;

for (const [listener, { url, line }] of Object.entries(LISTENERS))
  for (const [name, head] of Object.entries(HEADS)) {
    test(`framing - ${listener}, ${name}: 400, closed, and never run with what follows`, async (t) => {
      const running = await startServer(t);
      const alone = await sent(t, url(running), `${line}\r\n${head}\r\n`);
      assert.match(alone.text, /^HTTP\/1\.1 400 .*\r\nConnection: close\r\n/s);
      if (!(refusesHosts && name.startsWith('two') && name.endsWith('hosts')))
        assert.match(alone.text, /REQUEST_MALFORMED/);
      const second = listener === 'public' ? streamRequest(tokenFor('eve')) : SMUGGLED;
      for (const pieces of [
        [`${line}\r\n${head}\r\n${second}`],
        [`${line}\r\n${head}\r\n`, second],
      ])
        for (const answer of answersIn(await sent(t, url(running), ...pieces)))
          assert.equal(answer, 'HTTP/1.1 400');
      assert.equal((await statsOf(running.server)).channels, 0);
      assert.equal((await statsOf(running.server)).streams, 0);
    });
  }

test('framing - public: a request that announces a body is refused, and nothing behind it is run', async (t) => {
  const running = await startServer(t);
  const stream = streamRequest(tokenFor('eve'));
  for (const method of ['GET', 'OPTIONS', 'POST', 'PUT', 'HEAD'])
    for (const body of [
      'Content-Length: 5\r\n\r\nhello',
      'Content-Length: 5\r\n\r\n',
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n',
    ]) {
      const request = `${method} /events/ HTTP/1.1\r\nHost: x\r\n${body}`;
      const alone = await sent(t, running.publicUrl, request);
      if (method === 'HEAD') assert.equal(alone.text, '');
      else assert.match(alone.text, /^HTTP\/1\.1 400 .*REQUEST_MALFORMED/s, request);
      const { text } = await sent(t, running.publicUrl, request + stream);
      assert.doesNotMatch(text, /HTTP\/1\.1 (200|401)/, request);
    }
  assert.equal((await statsOf(running.server)).streams, 0);
});

test('framing - public: a length of nothing is no body', async (t) => {
  const { publicUrl } = await startServer(t);
  const client = await connectRaw(t, publicUrl);
  const request = streamRequest(tokenFor('ann'));
  client.send(request.replace('Host', 'Content-Length: 0\r\nHost'));
  assert.match(await client.until(/retry: \d+/), /^HTTP\/1\.1 200 /);
});

const GOOD = `${CHUNK}\r\n0\r\n\r\n`;
const chunked = (body: string) => emitHead('Transfer-Encoding: chunked\r\n') + body;

for (const [name, pieces] of Object.entries({
  'at once': [chunked(GOOD)],
  'in pieces': [chunked(''), CHUNK.slice(0, 9), CHUNK.slice(9), '\r\n0\r\n\r\n'],
  'in chunks of a byte': [chunked(`${[...BODY].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`)],
})) {
  test(`framing - control: a chunked emit ${name} is one emit, and the last on its connection`, async (t) => {
    const running = await startServer(t);
    const ann = await openNews(t, running);
    const { text } = await sent(t, running.controlUrl, ...pieces);
    assert.match(text, /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n.*"streams":1/s);
    assert.equal((await ann.next()).data, 'x');
    assert.equal(ann.events.length, 1);
  });
}

// One segment each: the addon finds the error in the same turn in which it told us of the end.
for (const [name, body] of Object.entries({
  'a trailer': `${CHUNK}\r\n0\r\nX-Sum: 1\r\n\r\n`,
  'a chunk without its line end, and a request': `${CHUNK}0\r\n\r\n${SMUGGLED}`,
  'something else for the line end, and a request': `${CHUNK}XX0\r\n\r\n${SMUGGLED}`,
  'no end of the trailers, and a request': `${CHUNK}\r\n0\r\n${SMUGGLED}`,
  'a request behind it': `${GOOD}${SMUGGLED}`,
  'a size that is none': `zz\r\n${BODY}\r\n0\r\n\r\n`,
  'no end': `${CHUNK}\r\n`,
  'an extension': `${BODY.length.toString(16)};a=b\r\n${BODY}\r\n0\r\n\r\n`,
  'only line feeds, and a request': `${CHUNK.replace('\r', '')}\n0\n\n${SMUGGLED}`,
})) {
  test(`framing - control: a chunked emit with ${name} is not published, and not answered with 200`, async (t) => {
    const running = await startServer(t);
    const { text } = await sent(t, running.controlUrl, chunked(body));
    assert.doesNotMatch(text, /HTTP\/1\.1 200/);
    if (/end|extension/.test(name) && !name.includes('request'))
      assert.match(text, /^HTTP\/1\.1 400 .*BODY_MALFORMED/s);
    assert.equal((await statsOf(running.server)).channels, 0);
  });
}

test('framing - control: whatever is refused before its chunks are read has nothing behind it run', async (t) => {
  const running = await startServer(t, ['-max-body', '1024']);
  const large = `401\r\n${'x'.repeat(0x401)}0\r\n\r\n`;
  for (const request of [
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n`,
    `HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n`,
    chunked(GOOD).replace('/emit/', '/nothing'),
    chunked(GOOD).replace('localhost', 'evil.example'),
    chunked(GOOD).replace('POST', 'PUT'),
    chunked(large),
  ]) {
    const alone = await sent(t, running.controlUrl, request);
    if (!request.startsWith('HEAD')) assert.match(alone.text, /^HTTP\/1\.1 4\d\d /);
    const { text } = await sent(t, running.controlUrl, request + SMUGGLED);
    assert.doesNotMatch(text, /HTTP\/1\.1 200/, request);
  }
  assert.equal((await statsOf(running.server)).channels, 0);
});
