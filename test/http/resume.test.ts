/** Coming back with an id, over real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPENED } from '../support/opening.ts';
import { connectRaw, dechunk } from '../support/raw-client.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import { emit } from '../support/spawn-server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const open = (t: Owner, { eventsUrl }: RunningServer, lastEventId: string, user = 'ann') =>
  openStream(t, eventsUrl, {
    headers: { ...bearer(tokenFor(user)), 'last-event-id': lastEventId },
  });

async function emitMany(
  { controlUrl }: RunningServer,
  count: number,
  userId = '*',
): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 1; i <= count; i += 1) {
    const { body } = await emit(controlUrl, { userId, channel: 'news', payload: `data: ${i}` });
    ids.push(body['id'] as string);
  }
  return ids;
}

test('S-30 resume - by header: everything after the id, in order, once, then live', async (t) => {
  const running = await startServer(t);
  const ids = await emitMany(running, 10);
  const stream = await open(t, running, ids[3]!);
  await emitMany(running, 1);
  const events = await stream.arrived(7);
  assert.deepEqual(
    events.map((event) => event.data),
    ['5', '6', '7', '8', '9', '10', '1'],
  );
  assert.deepEqual(
    events.slice(0, 6).map((event) => event.id),
    ids.slice(4),
  );
});

test('S-32 resume - by query for polyfills; the header wins', async (t) => {
  const running = await startServer(t);
  const ids = await emitMany(running, 5);
  const first = async (query: string, headers = {}) => {
    const stream = await openStream(t, `${running.eventsUrl}?${query}`, {
      headers: { ...bearer(tokenFor('ann')), ...headers },
    });
    return (await stream.next()).data;
  };
  assert.equal(await first(`lastEventId=${ids[0]}`), '2');
  assert.equal(await first(`last_event_id=${ids[1]}`), '3');
  assert.equal(await first(`lastEventId=${ids[0]}`, { 'last-event-id': ids[3] }), '5');
});

test('S-31 resume - whatever the header holds: 200, a notice that says what, then live', async (t) => {
  const running = await startServer(t);
  const [id] = await emitMany(running, 1);
  const epoch = id!.split('-')[0];
  const cases: [string, string][] = [
    ['other-1', 'epoch'],
    [`${epoch}-2`, 'unknown'],
    [`${epoch}-18446744073709551616`, 'unknown'],
    [`${epoch}-1e3`, 'unknown'],
    ['garbage', 'unknown'],
    ['0', 'unknown'],
    ['-1', 'unknown'],
    ['x'.repeat(5_000), 'unknown'],
  ];
  for (const [lastEventId, reason] of cases) {
    const stream = await open(t, running, lastEventId);
    const notice = await stream.next();
    assert.equal(stream.status, 200);
    assert.equal(notice.event, 'tidings.gap');
    const { spread, ...gap } = JSON.parse(notice.data);
    assert.deepEqual(gap, { after: lastEventId.slice(0, 64), resumed: id, reason });
    assert.ok(spread > 0 && spread <= 60_000);
    assert.equal(notice.id, id, 'where the stream goes on');
    stream.close();
  }
});

test('S-31 resume - raw bytes, two headers, an empty one', async (t) => {
  const running = await startServer(t);
  const [id] = await emitMany(running, 2);
  const answerTo = async (lines: Buffer) => {
    const raw = await connectRaw(t, running.publicUrl);
    const head = `GET /events/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenFor('ann')}\r\n`;
    raw.send(Buffer.concat([Buffer.from(head), lines, Buffer.from('\r\n')]));
    await raw.until(OPENED);
    await new Promise((resolve) => setImmediate(resolve));
    await emitMany(running, 1);
    await raw.until(/id: \S+\n\n\r\n2\r\n:\n/);
    const text = dechunk(raw.bytes).toString();
    raw.socket.destroy();
    return text;
  };
  // The addon reads a value with bytes above 0x7f as empty: it counts as none, as it does for a
  // client that has had no id. Ours have no such bytes.
  const bytes = Buffer.from([...Buffer.from('Last-Event-ID: '), 0xff, 0x0d, 0x0a]);
  for (const unreadable of [Buffer.from('Last-Event-ID: é€\r\n'), bytes])
    assert.ok(!(await answerTo(unreadable)).includes('tidings.gap'));
  assert.match(
    await answerTo(Buffer.from(`Last-Event-ID: ${id}\r\nLast-Event-ID: garbage\r\n`)),
    /data: 2\n/,
  );
  assert.ok(!(await answerTo(Buffer.from('Last-Event-ID: \r\n'))).includes('tidings.gap'));
});

test('S-33 resume - with ids of somebody else: nothing of theirs comes', async (t) => {
  const running = await startServer(t);
  const ids = await emitMany(running, 5, 'bob');
  const stream = await open(t, running, ids[0]!);
  await emitMany(running, 1, 'ann');
  assert.equal((await stream.next()).data, '1');
  assert.equal(stream.events.length, 1);
  for (const id of ids.slice(1)) assert.ok(!stream.text.includes(id));
});

test('S-35 resume - a thousand times from the same id: the same answer', async (t) => {
  const running = await startServer(t);
  const ids = await emitMany(running, 5);
  for (let round = 0; round < 20; round += 1) {
    const streams = await Promise.all(Array.from({ length: 50 }, () => open(t, running, ids[1]!)));
    for (const stream of streams) {
      const events = await stream.arrived(3);
      assert.deepEqual(
        events.map((event) => event.data),
        ['3', '4', '5'],
      );
      stream.close();
    }
  }
  await eventually(async () => (await statsOf(running.server)).streams === 0);
});

test('resume - a paused reader whose place is evicted gets one notice and goes on, on the same connection', {
  timeout: 60_000,
}, async (t) => {
  const running = await startServer(t, ['-history', '20', '-max-body', '2000000']);
  const stream = await openStream(t, running.eventsUrl, { headers: bearer(tokenFor('ann')) });
  stream.pause();
  const payload = `data: ${'x'.repeat(500_000)}`;
  let count = 0;
  await eventually(
    async () => {
      await emit(running.controlUrl, { userId: '*', channel: 'news', payload });
      count += 1;
      return (await statsOf(running.server)).blockedStreams === 1;
    },
    { withinMs: 20_000 },
  );
  for (let i = 0; i < 40; i += 1, count += 1)
    await emit(running.controlUrl, { userId: '*', channel: 'news', payload });
  stream.resume();
  await eventually(() => stream.events.at(-1)?.id?.endsWith(`-${count}`), { withinMs: 20_000 });
  const notices = stream.events.filter((event) => event.event === 'tidings.gap');
  assert.equal(notices.length, 1);
  const { after, resumed, reason } = JSON.parse(notices[0]!.data);
  const at = stream.events.indexOf(notices[0]!);
  assert.equal(reason, 'lagged');
  assert.equal(stream.events[at - 1]!.id, after, 'what it had had last');
  assert.equal(notices[0]!.id, resumed, 'where it goes on');
  const numberOf = (id: string | undefined) => Number(id?.split('-')[1]);
  assert.equal(numberOf(stream.events[at + 1]!.id), numberOf(resumed) + 1, 'what comes next');
  const missing = numberOf(resumed) - numberOf(after);
  assert.equal(stream.events.length - 1 + missing, count, 'delivered and reported add up');
});

test('emit - 413 when it can never fit into the budget, and it has no number', async (t) => {
  const running = await startServer(t, ['-memory', '1', '-max-body', '2000000']);
  const stream = await openStream(t, running.eventsUrl, { headers: bearer(tokenFor('ann')) });
  const tooMuch = await emit(running.controlUrl, {
    userId: '*',
    channel: 'news',
    payload: `data: ${'x'.repeat(1_500_000)}`,
  });
  assert.deepEqual([tooMuch.status, tooMuch.body['error']], [413, 'EVENT_TOO_LARGE']);
  await emitMany(running, 3);
  const events = await stream.arrived(3);
  assert.deepEqual(
    events.map((event) => event.id?.split('-')[1]),
    ['1', '2', '3'],
    'a refused event has no number',
  );
});
