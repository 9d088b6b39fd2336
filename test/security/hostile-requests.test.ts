/** Requests that nobody should send: one of them never counts for two, and the server stays up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openNews, post } from '../support/emitting.ts';
import { OPENED } from '../support/opening.ts';
import { Random } from '../support/prng.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { ONE_THREAD, type RunningServer, startServer, statsOf } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const CLOSE_WITHIN_MS = 20_000;
const BODY = 'userId=*&channel=news&payload=data:smuggled';
const HEAD =
  'POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n';
const SECOND = `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** Everything a connection gets until it is closed, or has been answered and can be let go. */
async function exchange(t: Owner, url: string, bytes: string): Promise<string> {
  const client = await connectRaw(t, url);
  client.send(Buffer.from(bytes, 'latin1'));
  await eventually(() => client.closed || /^HTTP\/1\.1 \d{3}/.test(client.text), {
    withinMs: CLOSE_WITHIN_MS,
    what: `an answer or the end for ${JSON.stringify(bytes.slice(0, 200))}`,
  });
  client.socket.destroy();
  return client.text;
}

async function staysUp({ controlUrl, server, log }: RunningServer): Promise<void> {
  assert.equal((await fetch(`${controlUrl}/healthz`)).status, 200);
  await eventually(async () => (await statsOf(server)).streams === 0, { what: 'no streams left' });
  assert.deepEqual(
    log.filter((line) => line['msg'] === 'request failed'),
    [],
  );
}

const FRAMINGS: Record<string, string> = {
  'length and chunked': `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECOND}`,
  'two lengths': `Content-Length: 0\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
  'list of lengths': `Content-Length: 0, ${SECOND.length}\r\n\r\n${SECOND}`,
  'negative length': `Content-Length: -1\r\n\r\n${SECOND}`,
  'signed length': `Content-Length: +0\r\n\r\n${SECOND}`,
  'hexadecimal length': `Content-Length: 0x0\r\n\r\n${SECOND}`,
  'huge length': `Content-Length: 18446744073709551616\r\n\r\n${SECOND}`,
  xchunked: `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SECOND}`,
  identity: `Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n${SECOND}`,
  'obs-fold': `X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n${SECOND}`,
  'blank before colon': `Content-Length : 0\r\n\r\n${SECOND}`,
  'tab before colon': `Content-Length\t: 0\r\n\r\n${SECOND}`,
  'bare LF': `Content-Length: 0\nX: y\n\n${SECOND}`,
  'NUL in a header': `X: a\0b\r\nContent-Length: 0\r\n\r\n${SECOND}`,
};

// Side by side: the addon closes some of these only after 8 to 12 seconds.
describe('X-20 smuggling', { concurrency: 2 }, () => {
  test('X-20 smuggling - what follows a request is never one of its own', {
    concurrency: true,
  }, async (t) => {
    const all = Object.entries(FRAMINGS).map(([name, rest]) =>
      t.test(name, async (t) => {
        const running = await startServer(t);
        const answer = await exchange(t, running.controlUrl, HEAD + rest);
        assert.doesNotMatch(answer, /"streams":/);
        assert.equal((await statsOf(running.server)).channels, 0);
        await staysUp(running);
      }),
    );
    await Promise.all(all);
  });

  test('X-20 smuggling - odd request lines are refused or closed', {
    concurrency: true,
  }, async (t) => {
    const running = await startServer(t);
    const auth = `Authorization: Bearer ${tokenFor('ann')}\r\n`;
    const requests = [
      `GET http://x/events/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `GET /events/ HTTP/1.0\r\n${auth}\r\n`,
      `GET /events/ HTTP/2.0\r\nHost: x\r\n${auth}\r\n`,
      `GET /events/\r\n\r\n`,
      `GET  /events/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `\r\nGET /events/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `GET /events/ HTTP/1.1\nHost: x\n${auth}\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00',
      `GET /events/ HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 200 }, (_, i) => `X-${i}: y\r\n`).join('')}${auth}\r\n`,
      `GET /events/ HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}`,
    ];
    const answers = await Promise.all(requests.map((text) => exchange(t, running.publicUrl, text)));
    for (const [i, answer] of answers.entries())
      assert.doesNotMatch(answer, /^HTTP\/1\.1 200/, requests[i]!.slice(0, 80));
    await staysUp(running);
  });
});

test('X-20 pipelining - a second request on a stream ends that stream, and no other', async (t) => {
  const running = await startServer(t);
  const other = await openNews(t, running, 'bob');
  for (const second of [streamRequest(tokenFor('eve')), 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n']) {
    const later = await connectRaw(t, running.publicUrl);
    later.send(streamRequest(tokenFor('ann')));
    await later.until(OPENED);
    later.send(second);
    await eventually(() => later.closed, {
      withinMs: CLOSE_WITHIN_MS,
      what: `the end behind ${JSON.stringify(second)}`,
    });
    const atOnce = await connectRaw(t, running.publicUrl);
    atOnce.send(streamRequest(tokenFor('ann')) + second);
    await eventually(() => atOnce.closed, {
      withinMs: CLOSE_WITHIN_MS,
      what: `the end with ${JSON.stringify(second)}`,
    });
  }
  await eventually(async () => (await statsOf(running.server)).streams === 1);
  await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data: 'still here' });
  assert.equal((await other.next()).data, 'still here');
});

// The addon's binary for Node 20 ends the stream, that for Node 24 takes no notice.
test('X-20 pipelining - garbage on a stream ends it or changes nothing, and harms no other', async (t) => {
  const running = await startServer(t);
  const other = await openNews(t, running, 'bob');
  const client = await connectRaw(t, running.publicUrl);
  client.send(streamRequest(tokenFor('ann')));
  await client.until(OPENED);
  client.send('garbage\r\n\r\n');
  await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data: 'still here' });
  await eventually(() => client.closed || client.text.includes('data: still here\nid: '), {
    withinMs: CLOSE_WITHIN_MS,
  });
  assert.equal((await other.next()).data, 'still here');
});

test('X-20 pipelining - emits sent in one go are answered in order, each once', async (t) => {
  const running = await startServer(t, ONE_THREAD); // with more the answers are late
  const ann = await openNews(t, running);
  const client = await connectRaw(t, running.controlUrl);
  const one = (i: number) => {
    const body = `userId=*&channel=news&payload=data:${i}`;
    return `${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  client.send([0, 1, 2, 3, 4].map(one).join(''));
  await eventually(() => client.text.match(/"streams":1/g)?.length === 5);
  const events = await ann.arrived(5);
  assert.deepEqual(
    events.map((event) => event.data),
    ['0', '1', '2', '3', '4'],
  );
});

test('X-21 aborts - random bytes, cut anywhere, at both listeners: nothing is left behind', async (t) => {
  const random = new Random();
  const running = await startServer(t);
  const good = [
    streamRequest(tokenFor('ann')),
    SECOND,
    'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n',
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ];
  const one = async () => {
    const url = random.next() < 0.5 ? running.publicUrl : running.controlUrl;
    const bytes = Buffer.from(random.pick(good), 'latin1');
    for (let i = random.below(4); i > 0; i -= 1)
      bytes[random.below(bytes.length)] = random.below(256);
    const client = await connectRaw(t, url);
    client.send(bytes.subarray(0, random.below(bytes.length + 1)));
    if (random.next() < 0.5) await new Promise(setImmediate);
    if (random.next() < 0.5) client.socket.resetAndDestroy();
    else client.socket.destroy();
  };
  for (let round = 0; round < 40; round += 1) await Promise.all(Array.from({ length: 25 }, one));
  await staysUp(running).catch((error: unknown) => {
    throw new Error(`TEST_SEED=${random.seed}`, { cause: error });
  });
});

test('X-21 bodies - malformed ones of every kind are a 4xx, never a failure of ours', async (t) => {
  const running = await startServer(t);
  const deep = (open: string, close: string) => open.repeat(100_000) + close.repeat(100_000);
  const bodies = [
    '',
    '{',
    'null',
    '[]',
    '7',
    '"x"',
    '{"userId":{}}',
    '{"userId":"a","channel":{},"data":1}',
    `{"userId":"a","channel":${deep('[', ']')},"data":1}`,
    `{"userId":"a","channel":"c","data":${deep('[', ']')}}`,
    `{"userId":"a","channel":"c","data":${deep('{"a":', '').slice(0, 500_000)}1${'}'.repeat(100_000)}}`,
    '\uFEFF{}',
    '{"userId":"a","channel":"c"}',
    '{"userId":"a","channel":"c","data":1,"event":["x"]}',
    '{"userId":"a","channel":"c","payload":{"toString":1}}',
  ];
  for (const path of ['/emit/', '/token/'])
    for (const body of bodies) {
      const { status } = await post(`${running.controlUrl}${path}`, body);
      assert.ok(status >= 400 && status < 500, `${path} ${body.slice(0, 60)}: ${status}`);
    }
  assert.equal((await statsOf(running.server)).channels, 0);
  await staysUp(running);
});

test('X-22 pollution - __proto__ and constructor in bodies are fields that nobody reads', async (t) => {
  const running = await startServer(t);
  const fields = '"userId":"ann","channel":"x","data":"y","exp":60';
  for (const path of ['/emit/', '/token/'])
    for (const body of [`{"__proto__":{${fields}}}`, `{"constructor":{"prototype":{${fields}}}}`])
      assert.equal((await post(`${running.controlUrl}${path}`, body)).status, 400);
  const form = new URLSearchParams(
    '__proto__=x&__proto__=y&constructor=z&userId=a&channel=b&payload=c',
  );
  assert.equal((await post(`${running.controlUrl}/emit/`, form)).status, 200);
  for (const name of ['userId', 'channel', 'data', 'exp', 'x']) assert.equal(name in {}, false);
});

test("X-26 addresses - of several X-Forwarded-For lines the proxy's own counts, not the client's", async (t) => {
  const args = ['-trust-proxy', '127.0.0.1', '-max-streams-per-address', '1'];
  const running = await startServer(t, args);
  const open = async (lines: string) => {
    const client = await connectRaw(t, running.publicUrl);
    client.send(streamRequest(tokenFor('ann')).replace('\r\n\r\n', `\r\n${lines}\r\n\r\n`));
    return client.until(/HTTP\/1\.1 \d+/);
  };
  assert.match(await open('X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 9.9.9.9'), / 200 /);
  assert.match(await open('X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-For: 9.9.9.9'), / 503 /);
  assert.match(await open('X-Forwarded-For: 8.8.8.8, 9.9.9.9'), / 503 /);
  assert.match(await open('X-Forwarded-For: 9.9.9.9, 5.5.5.5'), / 200 /);
});
