import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PastHeads } from '../../../src/hub/past-heads.ts';
import { Spread } from '../../../src/hub/spread.ts';
import { StreamState } from '../../../src/hub/stream.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const NUDGE = ':\n';
const opened = (id: string | undefined, expires = 3_600) =>
  `event: tidings.open\ndata: {"heartbeat":15,"expires":${expires}}\n${id === undefined ? '' : `id: ${id}\n`}\n`;

function setUp(retention = {}) {
  const clock = { now: 0 };
  const hub = newHub({ notices: true, now: () => clock.now, retention });
  let n = 0;
  const emit = (channels: string[], to?: string) => {
    n += 1;
    append(hub, { n, channels, to, bytes: Buffer.from(`<${n}>`) });
  };
  const open = (user: string, lastEventId?: string, sink = new FakeSink()) => {
    const channels = ['all', `user-${user}`];
    const options = { user, channels, address: '', expiresAt: 3_600, greeting: 'retry: 1\n' };
    return { sink, stream: hub.open(sink, { ...options, lastEventId }) };
  };
  return { hub, clock, emit, open };
}

test('positions - a stream without an id begins with the head, at once behind the greeting', () => {
  const { emit, open } = setUp();
  assert.deepEqual(open('ann').sink.writes, [`retry: 1\n${opened('e-0')}`, NUDGE]);
  emit(['all']);
  assert.equal(open('bob').sink.text, `retry: 1\n${opened('e-1')}${NUDGE}`);
});

test('positions - while a replay is pending the only id is the one that the client had', async () => {
  const { emit, open } = setUp();
  for (let i = 0; i < 3; i += 1) emit(['all']);
  await turn();
  const { sink } = open('ann', 'e-1');
  assert.equal(sink.text, `retry: 1\n${opened('e-1')}${NUDGE}`, 'cut here it misses nothing');
  await turn();
  assert.equal(sink.text, `retry: 1\n${opened('e-1')}${NUDGE}<2><3>${NUDGE}`);
});

test('positions - a gap is told once: its notice moves the id, the opening has none', async () => {
  const { emit, open } = setUp({ capacity: 2 });
  for (let i = 0; i < 5; i += 1) emit(['all']);
  await turn();
  for (const [id, reason, resumed] of [
    ['other-9', 'epoch', 'e-5'],
    ['nonsense', 'unknown', 'e-5'],
    ['e-6', 'unknown', 'e-5'],
    ['e-1', 'evicted', 'e-3'],
  ] as const) {
    const { sink } = open('ann', id);
    await turn();
    const expected = `event: tidings.gap\ndata: {"after":"${id}","resumed":"${resumed}","reason":"${reason}","spread":`;
    assert.ok(sink.text.startsWith(`retry: 1\n${opened(undefined)}${NUDGE}${expected}`), sink.text);
    assert.ok(sink.text.includes(`}\nid: ${resumed}\n\n`), sink.text);
    const again = open('ann', resumed);
    await turn();
    assert.ok(!again.sink.text.includes('tidings.gap'), again.sink.text);
  }
});

test('positions - a reader that was passed by while it was connected goes on from the id of the notice', async () => {
  const { emit, open } = setUp({ capacity: 2 });
  const { sink, stream } = open('ann');
  sink.isFull = true;
  emit(['all']);
  await turn();
  for (let i = 0; i < 6; i += 1) emit(['all']);
  await turn();
  sink.isFull = false;
  stream.writable();
  await turn();
  assert.match(
    sink.text,
    /"after":"e-1","resumed":"e-5","reason":"lagged","spread":\d+\}\nid: e-5\n\n/,
  );
  assert.ok(sink.text.endsWith(`<6><7>${NUDGE}`));
});

test('positions - a heartbeat that blocks an idle stream does not set it back', async () => {
  const { hub, emit, open } = setUp({ capacity: 2 });
  const { sink, stream } = open('ann');
  for (let i = 0; i < 20; i += 1) emit(['all'], 'bob');
  await turn();
  sink.isFull = true;
  stream.heartbeat();
  hub.beat(stream);
  assert.equal(stream.state, StreamState.Blocked);
  sink.isFull = false;
  stream.writable();
  await turn();
  assert.ok(!sink.text.includes('tidings.gap'), sink.text);
});

test('positions - an id that has fallen behind is renewed in place of a heartbeat, once in half the history', async () => {
  const { hub, clock, emit, open } = setUp({ ttlSeconds: 100 });
  const { sink, stream } = open('ann');
  const texts: string[] = [];
  for (clock.now = 0; clock.now <= 300; clock.now += 15) {
    emit(['all'], 'bob');
    await turn();
    sink.writes.length = 0;
    hub.beat(stream);
    texts.push(sink.text);
  }
  const ids = texts.map(
    (text) => /^event: tidings\.position\ndata: \{\}\nid: (e-\d+)\n\n/.exec(text)?.[1],
  );
  const told = ids.flatMap((id, i) => (id === undefined ? [] : [[i * 15, id]]));
  assert.ok(told.length >= 4 && told.length <= 6, JSON.stringify(told));
  for (const [at, id] of told) assert.equal(id, `e-${Number(at) / 15 + 1}`);
  assert.ok(texts.every((text, i) => ids[i] !== undefined || text === '' || text === ':\n'));
});

test('positions - a stream that hears events needs no renewal, nor does one when nothing happens', async () => {
  const { hub, clock, emit, open } = setUp({ ttlSeconds: 100 });
  emit(['all']);
  const { sink, stream } = open('ann');
  for (clock.now = 0; clock.now <= 300; clock.now += 15) {
    if (clock.now < 150) emit(['all']);
    await turn();
    hub.beat(stream);
  }
  assert.ok(!sink.text.includes('tidings.position'));
});

test('positions - an expiry carries the position; a blocked stream is not told', async () => {
  const { hub, emit, open } = setUp();
  const { sink, stream } = open('ann');
  emit(['all'], 'bob');
  await turn();
  assert.equal(hub.announceExpiry(stream, 29.5), true);
  assert.ok(sink.text.endsWith(`event: tidings.expiring\ndata: 30\nid: e-1\n\n${NUDGE}`));
  sink.isFull = true;
  emit(['all']);
  await turn();
  assert.equal(hub.announceExpiry(stream, 3), false);
});

test('positions - with notices off none of them is sent, and everything else is', async () => {
  const clock = { now: 0 };
  const hub = newHub({ retention: { capacity: 1 }, now: () => clock.now });
  for (let n = 1; n <= 3; n += 1)
    append(hub, { n, channels: ['c'], to: undefined, bytes: Buffer.from(`<${n}>`) });
  await turn();
  const sink = new FakeSink();
  const options = { user: 'ann', channels: ['c'], address: '', expiresAt: 3_600 };
  const stream = hub.open(sink, { ...options, lastEventId: 'e-0', greeting: 'retry: 1\n' });
  hub.announceExpiry(stream, 3);
  await turn();
  assert.equal(sink.text, `retry: 1\n${NUDGE}<3>${NUDGE}`);
});

test('positions - an id that has fallen behind by a burst is renewed, though nothing comes after it', async () => {
  const { hub, clock, emit, open } = setUp({ ttlSeconds: 100 });
  emit(['all']);
  const { sink, stream } = open('ann');
  for (let i = 0; i < 5; i += 1) emit(['all'], 'bob');
  await turn();
  for (clock.now = 15; clock.now <= 300; clock.now += 15) hub.beat(stream);
  assert.equal(sink.text.split('event: tidings.position\ndata: {}\nid: e-6\n').length, 2);
});

test('past heads - what the newest number was so long ago', () => {
  const past = new PastHeads(80);
  assert.equal(past.at(1_000), 0);
  for (const n of [7, 8, 9]) past.note(n, 1_000 + n);
  assert.deepEqual([past.at(1_080), past.at(1_088), past.at(1_089), past.at(9_999)], [0, 7, 9, 9]);
  const later = new PastHeads(80);
  for (let second = 0; second <= 400; second += 1) later.note(second, second);
  const at = later.at(400);
  assert.ok(at <= 320 && at >= 300, `${at}`);
});

test('spread - grows with those told at once, drains, and has a limit', () => {
  const spread = new Spread();
  assert.ok(spread.next(0) <= 20);
  let last = 0;
  for (let i = 0; i < 999; i += 1) last = spread.next(0);
  assert.equal(last, 20_000, 'a thousand at once: four times what 200 a second take');
  for (let i = 0; i < 20_000; i += 1) last = spread.next(1);
  assert.equal(last, 60_000);
  assert.ok(spread.next(1_000) <= 20, 'quiet again');
});

test('spread - a thousand pages that each choose a moment in it come at 200 a second at most', () => {
  const spread = new Spread();
  const perSecond = new Map<number, number>();
  for (let i = 0; i < 1_000; i += 1) {
    const ms = spread.next(0);
    // Evenly over the pages instead of at random: the golden ratio's multiples are.
    const at = Math.floor((((i * 0.618_034) % 1) * ms) / 1_000);
    perSecond.set(at, (perSecond.get(at) ?? 0) + 1);
  }
  assert.ok(Math.max(...perSecond.values()) <= 210, JSON.stringify([...perSecond]));
});

test('positions - a notice of a gap leaves no range behind, whatever set of channels the stream has', async () => {
  const { emit, open } = setUp();
  for (let i = 0; i < 50; i += 1) emit(['all']);
  await turn();
  const streams = Array.from({ length: 300 }, (_, i) => open(`u${i}`, 'other-1').stream);
  await turn();
  assert.ok(streams.every(({ channels }) => channels.rangesAfter(0).isEmpty));
});
