/** A stream whose token or place has to be asked for elsewhere: the request waits, safely. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verify } from '../../src/auth/auth.ts';
import { type Grant, TokenRefused } from '../../src/auth/claims.ts';
import { PeerResolver } from '../../src/http/address.ts';
import { Cors } from '../../src/http/cors.ts';
import { Listener } from '../../src/http/listener.ts';
import { createApp } from '../../src/http/uws.ts';
import { createLogger } from '../../src/logger.ts';
import type { Guests } from '../../src/public/guests.ts';
import { PublicApp, type PublicOptions } from '../../src/public/public-app.ts';
import { append, newHub } from '../support/hub.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const grantFor = (userId: string): Grant => ({
  userId,
  channels: ['news'],
  exp: Date.now() / 1000 + 60,
  from: undefined,
  issuedAt: 0,
  tokenId: undefined,
});

/** A public listener whose verifier answers when the test says so. */
async function startApp(t: Owner, options: Partial<PublicOptions> = {}) {
  const asked: { token: string; allow: () => void; refuse: (error: Error) => void }[] = [];
  const verify: Verify = (token) =>
    new Promise((resolve, reject) => {
      asked.push({ token, allow: () => resolve(grantFor(token)), refuse: reject });
    });
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>);
  const hub = newHub({ onClosed: (stream, reason) => app.closed(stream, reason) });
  const app: PublicApp = new PublicApp({
    hub,
    verify,
    limits: { streams: 100, streamsPerUser: 0, streamsPerAddress: 0 },
    replacesOldest: false,
    addressPrefix6: 64,
    cors: new Cors([], []),
    peers: new PeerResolver([]),
    allowsQueryToken: false,
    isTight: () => false,
    logger: createLogger('debug', { write }),
    ...options,
  });
  const http = createApp();
  app.route(http);
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const listener = await Listener.open(http, address, { flag: 'bind', scheme: 'http' });
  t.after(() => {
    listener.close();
    http.close();
  });
  const asking = (count: number) =>
    eventually(() => asked.length >= count, { what: `${count} questions` });
  return { app, hub, asked, asking, log, url: listener.url };
}

test('waiting - the stream opens when its token is known, with all that its request said', async (t) => {
  const { hub, asked, asking, url } = await startApp(t);
  append(hub, {
    n: 1,
    channels: ['news'],
    to: undefined,
    bytes: Buffer.from('data: old\nid: e-1\n\n'),
  });
  append(hub, {
    n: 2,
    channels: ['news'],
    to: undefined,
    bytes: Buffer.from('data: new\nid: e-2\n\n'),
  });
  const client = await connectRaw(t, url);
  client.send(streamRequest('ann').replace('\r\n\r\n', '\r\nLast-Event-ID: e-1\r\n\r\n'));
  await asking(1);
  assert.deepEqual([client.text, hub.streams.size], ['', 0]);
  asked[0]!.allow();
  const text = await client.until(/id: e-2\n/);
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/event-stream\r\n/);
  assert.ok(!text.includes('data: old'));
  assert.deepEqual(
    [...hub.streams].map(({ user }) => user),
    ['ann'],
  );
});

test('waiting - a client that goes meanwhile leaves nothing behind', async (t) => {
  const { hub, asked, asking, log, url } = await startApp(t);
  for (const settle of [
    () => asked[0]!.allow(),
    () => asked[1]!.refuse(new TokenRefused('malformed')),
    () => asked[2]!.refuse(new Error('broken')),
  ]) {
    const before = asked.length;
    const client = await connectRaw(t, url);
    client.send(streamRequest('ann'));
    await asking(before + 1);
    client.socket.destroy();
    // The next connection is served after the end of this one was seen.
    const next = await connectRaw(t, url);
    next.send('GET /none HTTP/1.1\r\nHost: x\r\n\r\n');
    await next.until(/404/);
    settle();
  }
  const failures = () => log.filter(({ msg }) => msg === 'request failed');
  await eventually(() => failures().length > 0);
  assert.match(JSON.stringify(failures()), /^[^\n]*"message":"broken"[^\n]*$/);
  assert.equal(failures().length, 1, 'a response that is gone was touched');
  assert.equal(hub.streams.size, 0);
});

test('waiting - a refusal that comes late is the one that would have come at once', async (t) => {
  const late = await startApp(t);
  const prompt = await startApp(t, {
    verify: () => {
      throw new TokenRefused('malformed', 'exp');
    },
  });
  const answers = await Promise.all(
    [late, prompt].map(async ({ url }) => {
      const client = await connectRaw(t, url);
      client.send(streamRequest('ann'));
      if (url === late.url) {
        await late.asking(1);
        late.asked[0]!.refuse(new TokenRefused('malformed', 'exp'));
      }
      return (await client.until(/\}\n$/)).replace(/Date: .*\r\n/i, '');
    }),
  );
  assert.match(answers[0]!, /^HTTP\/1\.1 401 /);
  assert.equal(answers[0], answers[1]);
  const told = ({ log }: typeof late) =>
    log.map(({ reason, claim, address }) => [reason, claim, address]);
  assert.deepEqual(told(late), told(prompt));
  assert.deepEqual(told(late), [['malformed', 'exp', '127.0.0.1']]);
});

test('waiting - an error nobody expected is 500', async (t) => {
  const { asked, asking, log, url } = await startApp(t);
  const opening = openStream(t, `${url}/events/`, { headers: bearer('ann') });
  await asking(1);
  asked[0]!.refuse(new Error('broken'));
  assert.equal((await opening).status, 500);
  assert.equal(log.filter(({ msg }) => msg === 'request failed').length, 1);
});

test('waiting - of several cookies the next is asked for when one is refused', async (t) => {
  const { hub, asked, asking, url } = await startApp(t);
  const cookie = 'tidings=old; tidings=ann; tidings=bob';
  const opening = openStream(t, `${url}/events/`, { headers: { cookie } });
  await asking(1);
  asked[0]!.refuse(new TokenRefused('has passed', 'exp'));
  await asking(2);
  asked[1]!.allow();
  assert.equal((await opening).status, 200);
  assert.deepEqual([asked.length, [...hub.streams][0]!.user], [2, 'ann']);
});

test('waiting - HEAD is answered when its token is known', async (t) => {
  const { asked, asking, url } = await startApp(t);
  const head = fetch(`${url}/events/`, { method: 'HEAD', headers: bearer('ann') });
  await asking(1);
  asked[0]!.allow();
  const reply = await head;
  assert.deepEqual([reply.status, reply.headers.get('content-type')], [200, 'text/event-stream']);
});

test('waiting - a server that began to leave meanwhile lets nobody in', async (t) => {
  const { app, hub, asked, asking, url } = await startApp(t);
  const opening = openStream(t, `${url}/events/`, { headers: bearer('ann') });
  await asking(1);
  app.isDraining = true;
  asked[0]!.allow();
  const stream = await opening;
  await stream.end();
  assert.match(stream.text, /^retry: \d+\n$/);
  assert.equal(hub.streams.size, 0);
});

test('waiting - when all seats are taken a client is told to come back; a seat is free again with its answer', async (t) => {
  const { app, asked, asking, url } = await startApp(t, { seats: 1 });
  const open = (accept: string) =>
    openStream(t, `${url}/events/`, { headers: { ...bearer('ann'), accept } });
  const first = open('text/event-stream');
  await asking(1);
  const page = await open('text/event-stream');
  await page.end();
  assert.deepEqual([page.status, /^retry: \d+\n$/.test(page.text)], [200, true]);
  const probe = await open('*/*');
  await probe.end();
  assert.deepEqual([probe.status, /STREAM_LIMIT/.test(probe.text)], [503, true]);
  assert.equal(app.refused.of('waiting'), 2);
  // Those who were sent away are not let in by what comes of their tokens.
  for (const question of asked.splice(0)) question.allow();
  assert.equal((await first).status, 200);
  const next = open('text/event-stream');
  await asking(1);
  asked[0]!.allow();
  assert.equal((await next).status, 200);
});

test('waiting - a place that is asked for elsewhere is given back when nobody is there to take it', async (t) => {
  const answers: (() => void)[] = [];
  const left: number[] = [];
  const guests: Guests = {
    enter: () => new Promise((resolve) => answers.push(() => resolve(7))),
    opened: () => {},
    left: (guest) => void left.push(guest),
    closed: () => {},
  };
  const verify = grantFor;
  const { hub, url } = await startApp(t, { verify, guests, seats: 1 });
  const client = await connectRaw(t, url);
  client.send(streamRequest('ann'));
  await eventually(() => answers.length === 1);
  const second = await openStream(t, `${url}/events/`, { headers: bearer('bob') });
  await second.end();
  assert.match(second.text, /^retry: \d+\n$/);
  assert.equal(answers.length, 1, 'who has no seat takes no place');
  client.socket.destroy();
  const next = await connectRaw(t, url);
  next.send('GET /none HTTP/1.1\r\nHost: x\r\n\r\n');
  await next.until(/404/);
  answers[0]!();
  await eventually(() => left.length === 1);
  assert.deepEqual([left, hub.streams.size], [[7], 0]);
});
