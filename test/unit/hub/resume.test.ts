import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamState } from '../../../src/hub/stream.ts';
import { MAX_RANGE_BYTES } from '../../../src/log/range.ts';
import { parseEventId } from '../../../src/wire/event-id.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append as appendTo, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp({ history = 1_000, budgetBytes = 50_000_000 } = {}) {
  const hub = newHub({ notices: true, retention: { capacity: history, budgetBytes } });
  let n = 0;
  const append = (channels: string[], to?: string | Set<string>, text?: string) => {
    n += 1;
    return appendTo(hub, { n, channels, to, bytes: Buffer.from(text ?? `<${n}>`) });
  };
  const open = (user: string, channels: string[], lastEventId?: string, sink = new FakeSink()) => {
    const stream = hub.open(sink, { user, channels, address: '', expiresAt: 3_600, lastEventId });
    const withoutNudges = () => sink.text.replaceAll(/(?<!\n|^):\n|(?<=\n\n):\n/g, '');
    return { sink, stream, text: () => withoutNudges().replace(OPENING, '').replace(SPREAD, '') };
  };
  return { hub, append, open };
}

const OPENING = /^event: tidings\.open\ndata: .*\n(id: .*\n)?\n/;
const SPREAD = /,"spread":\d+(?=\})/;

const gap = (after: string, resumed: string, reason: string) =>
  `event: tidings.gap\ndata: ${JSON.stringify({ after, resumed, reason })}\nid: ${resumed}\n\n`;

test('resume - everything after the id that the user may see, then live, each once', async () => {
  const { append, open } = setUp();
  append(['a']);
  append(['a'], 'ann');
  append(['a'], 'bob');
  append(['b']);
  append(['c']);
  const ann = open('ann', ['a', 'b'], 'e-1');
  append(['a']);
  await turn();
  append(['b']);
  await turn();
  assert.equal(ann.text(), '<2><4><6><7>');
});

test('resume - from the newest id there is nothing to replay and no gap', async () => {
  const { append, open } = setUp();
  append(['a']);
  const ann = open('ann', ['a'], 'e-1');
  await turn();
  assert.equal(ann.text(), '');
  append(['a']);
  await turn();
  assert.equal(ann.text(), '<2>');
});

test('resume - without an id only what comes', async () => {
  const { append, open } = setUp();
  append(['a']);
  const ann = open('ann', ['a']);
  append(['a']);
  await turn();
  assert.equal(ann.text(), '<2>');
});

test('resume - an id of another epoch, or one we cannot have sent: a gap notice, then live only', async () => {
  const { append, open } = setUp();
  append(['a']);
  for (const [id, reason] of [
    ['old-1', 'epoch'],
    ['e-2', 'unknown'],
    ['e-999999999999999', 'unknown'],
    ['garbage', 'unknown'],
    ['e-01', 'unknown'],
    ['e--1', 'unknown'],
    ['e-1e3', 'unknown'],
    ['e-1 ', 'unknown'],
    ['\u0000"\n', 'unknown'],
  ] as const) {
    const ann = open('ann', ['a'], id);
    await turn();
    assert.equal(ann.text(), gap(id, 'e-1', reason));
  }
  const long = open('ann', ['a'], 'x'.repeat(5_000));
  assert.equal(long.text(), gap('x'.repeat(64), 'e-1', 'unknown'));
});

test('resume - what is evicted is told once, what is left is delivered', async () => {
  const { append, open } = setUp({ history: 3 });
  for (let i = 0; i < 10; i += 1) append(['a']);
  await turn();
  const ann = open('ann', ['a'], 'e-2');
  append(['a']); // pushes out 8 before its turn has come
  await turn();
  assert.equal(ann.text(), `${gap('e-2', 'e-8', 'evicted')}<9><10><11>`);
});

test('resume - evictions of what was for others are nobody else’s gap', async () => {
  const { append, open } = setUp({ history: 2 });
  for (let i = 0; i < 10; i += 1) append(['a'], 'bob');
  await turn();
  const ann = open('ann', ['a'], 'e-1');
  const bob = open('bob', ['a'], 'e-1');
  await turn();
  assert.equal(ann.text(), '');
  assert.equal(bob.text(), `${gap('e-1', 'e-8', 'evicted')}<9><10>`);
});

test('resume - a channel that was forgotten still knows what it had evicted', async () => {
  const { hub, append, open } = setUp({ history: 0 });
  append(['a']);
  append(['quiet']);
  await turn();
  assert.equal(hub.channels.size, 0);
  const ann = open('ann', ['a'], 'e-0');
  await turn();
  assert.equal(ann.text(), gap('e-0', 'e-1', 'evicted'));
  const again = open('ann', ['a'], 'e-1');
  await turn();
  assert.equal(again.text(), '');
});

test('resume - a long replay goes in ranges, and live streams have their turn in between', async () => {
  const { append, open } = setUp();
  const live = open('live', ['a']);
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 200; i += 1) append(['a'], undefined, text);
  while (live.text().length < 200 * text.length) await turn();
  const ann = open('ann', ['a'], 'e-0');
  await turn();
  assert.ok(ann.text().length < 2 * MAX_RANGE_BYTES, 'not all at once');
  assert.equal(ann.stream.state, StreamState.Behind);
  append(['a'], undefined, 'LIVE');
  await turn();
  assert.ok(live.text().endsWith('LIVE'));
  assert.ok(!ann.text().includes('LIVE'));
  while (!ann.text().endsWith('LIVE')) await turn();
  assert.equal(ann.text().length, 200 * text.length + 4);
});

test('resume - a replay stops at backpressure and goes on from there', async () => {
  const { hub, append, open } = setUp();
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 100; i += 1) append(['a'], undefined, `${i}`.padEnd(10_000, text));
  const sink = new FakeSink();
  sink.isFull = true;
  const ann = open('ann', ['a'], 'e-0', sink);
  await turn();
  assert.equal(hub.flow.blockedStreams.size, 1);
  assert.equal(sink.writes.length, 1);
  sink.isFull = false;
  ann.stream.writable();
  while (ann.text().length < 1_000_000) await turn();
  for (let i = 0; i < 100; i += 1)
    assert.ok(
      ann
        .text()
        .slice(i * 10_000, i * 10_000 + 10)
        .startsWith(`${i}x`),
    );
});

test('ids - only what we can have sent is read', () => {
  assert.deepEqual(parseEventId('abc1-42'), { epoch: 'abc1', n: 42 });
  for (const bad of [
    '',
    '-',
    'a-',
    '-1',
    'a-b',
    'A-1',
    'a-1-1',
    'a-1.0',
    'a-+1',
    `${'a'.repeat(70)}-1`,
  ])
    assert.equal(parseEventId(bad), undefined, bad);
});

test('resume - agrees with a naive model: streams that come back with their last id at random', async () => {
  const random = new Random();
  const { hub, append, open } = setUp({ history: 1_000_000 });
  const names = ['a', 'b', 'c', 'd'];
  const users = ['ann', 'bob', 'eve', 'joe'];
  const clients = Array.from({ length: 40 }, () => ({
    user: random.pick(users),
    channels: random.some(names, 3),
    expected: '',
    got: '',
    lastId: 'e-0',
    link: undefined as ReturnType<typeof open> | undefined,
  }));
  let n = 0;
  const take = (client: (typeof clients)[number]) => {
    const frames = client.link!.text();
    client.got += frames;
    const last = [...frames.matchAll(/<(\d+)>/g)].at(-1);
    if (last !== undefined) client.lastId = `e-${last[1]}`;
    client.link!.sink.writes.length = 0;
  };
  for (let step = 0; step < 20_000; step += 1) {
    const client = random.pick(clients);
    if (random.below(3) > 0) {
      n += 1;
      const to = random.pick([undefined, random.pick(users), new Set(random.some(users, 2))]);
      const channels = random.some(names, 2);
      append(channels, to);
      for (const one of clients) {
        const isFor =
          to === undefined || to === one.user || (to instanceof Set && to.has(one.user));
        if (isFor && one.channels.some((name) => channels.includes(name))) one.expected += `<${n}>`;
      }
    } else if (client.link === undefined)
      client.link = open(client.user, client.channels, client.lastId);
    else if (random.below(3) === 0) {
      take(client);
      client.link.stream.aborted();
      client.link = undefined;
    } else if (random.below(2) === 0) client.link.sink.isFull = true;
    else {
      client.link.sink.isFull = false;
      client.link.stream.writable();
    }
    if (random.below(4) === 0) await turn();
  }
  for (const client of clients) {
    client.link ??= open(client.user, client.channels, client.lastId);
    client.link.sink.isFull = false;
    client.link.stream.writable();
  }
  for (let i = 0; i < 50; i += 1) await turn();
  for (const client of clients) {
    take(client);
    assert.equal(client.got, client.expected, `seed ${random.seed}`);
  }
  assert.equal(hub.flow.blockedStreams.size, 0);
});
