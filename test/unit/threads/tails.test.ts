/** Several hubs that keep little, over one that keeps much: what `-threads` puts together, without threads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeeperQuestion, DeeperRange } from '../../../src/hub/deeper-log.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import type { NewEntry } from '../../../src/log/entry.ts';
import { encodeBatch, ReceivedBatch } from '../../../src/threads/batch.ts';
import { SharedRing } from '../../../src/threads/shared-ring.ts';
import { takeIn } from '../../../src/threads/take-in.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';
import { takes } from '../../support/takes.ts';

/** As a thread gets it. */
function batchOf(entry: NewEntry): ReceivedBatch {
  const take = (bytes: number) => new SharedRing(new SharedArrayBuffer(0)).take(bytes);
  return new ReceivedBatch(encodeBatch({ since: 0, entries: [entry] }, 1, take), 1);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Tail {
  readonly hub: Hub;
  /** Entries and answers on their way to it, in order. */
  readonly post: (() => void)[];
}

interface Kept {
  readonly n: number;
  readonly to: string | undefined;
  readonly channels: readonly string[];
}

function setUp({ tails = 2, tailCapacity = 3, capacity = 1_000, budgetBytes = 50_000_000 } = {}) {
  const history = newHub({ retention: { capacity } });
  const kept: Kept[] = [];
  const all: Tail[] = Array.from({ length: tails }, (_, thread) => {
    const post: (() => void)[] = [];
    const read = (question: DeeperQuestion) =>
      new Promise<DeeperRange>((resolve) => {
        post.push(() => resolve(history.read(question)));
      });
    const hub = newHub({
      notices: true,
      retention: { capacity: tailCapacity, budgetBytes },
      deeperLog: { read },
      newest: () => history.head,
      lastStreamId: thread * 1_000_000,
    });
    hub.startBehind(history.head);
    return { hub, post };
  });
  const emit = (channels: string[], to?: string, text = '') => {
    const n = history.head + 1;
    const entry: NewEntry = { n, channels, to, bytes: Buffer.from(`<${n}>${text}`) };
    append(history, entry);
    kept.push({ n, to, channels });
    for (const { hub, post } of all) post.push(() => takeIn(hub, batchOf(entry), 0));
  };
  const open = (tail: Tail, user: string, channels: string[], lastEventId?: string) => {
    const sink = new FakeSink();
    const options = { user, channels, address: '', expiresAt: 3_600, lastEventId };
    return { sink, stream: tail.hub.open(sink, options) };
  };
  const settle = async () => {
    for (let idle = 0; idle < 20; idle += 1) {
      for (const { post } of all) while (post.length > 0) post.shift()!();
      await turn();
    }
  };
  return { history, kept, all, emit, open, settle };
}

const entriesIn = (text: string): number[] =>
  [...text.matchAll(/<(\d+)>/g)].map((match) => Number(match[1]));

test('tails - an id that one hub gave out is good on another that has not got so far', async () => {
  const { all, emit, open, settle } = setUp();
  const [fast, slow] = all as [Tail, Tail];
  emit(['a']);
  emit(['a']);
  while (fast.post.length > 0) fast.post.shift()!();
  const { sink } = open(slow, 'ann', ['a'], 'e-2');
  assert.match(sink.text, /tidings\.open\n.*\nid: e-2\n/);
  emit(['a']);
  await settle();
  assert.deepEqual(entriesIn(sink.text), [3]);
  assert.ok(!sink.text.includes('tidings.gap'), sink.text);
});

test('tails - an id that nobody has given out is told to be unknown', async () => {
  const { all, emit, open, settle } = setUp();
  emit(['a']);
  await settle();
  const { sink } = open(all[0]!, 'ann', ['a'], 'e-2');
  assert.match(sink.text, /"after":"e-2","resumed":"e-1","reason":"unknown"/);
});

test('tails - a tail holds no more bytes than its budget once all is written', async () => {
  const { all, emit, open, settle, history } = setUp({ tailCapacity: 1_000, budgetBytes: 20_000 });
  const { sink } = open(all[0]!, 'ann', ['a']);
  for (let i = 0; i < 100; i += 1) emit(['a'], undefined, 'x'.repeat(1_000));
  await settle();
  assert.equal(entriesIn(sink.text).length, 100);
  for (const { hub } of all) {
    assert.ok(hub.retainedBytes <= 20_000, `${hub.retainedBytes}`);
    assertRetained(hub);
  }
  assert.ok(history.retainedBytes > 100_000);
});

interface Told {
  readonly after: number;
  readonly resumed: number;
}

const gapsIn = (text: string): Told[] =>
  [...text.matchAll(/"after":"e-(\d+)","resumed":"e-(\d+)"/g)].map((match) => ({
    after: Number(match[1]),
    resumed: Number(match[2]),
  }));

const BELOW = ['e/1', 'e/1/x', 'e/2', 'f/1'];
const PREFIXES = ['e/*', 'e/1/*', 'f/*'];

async function runModel(capacity: number) {
  const random = new Random();
  const { all, emit, open, settle, kept } = setUp({ tails: 3, capacity });
  const users = ['ann', 'bob', 'eve'];
  const names = ['a', 'b', 'c', 'd', ...BELOW];
  const clients = Array.from({ length: 15 }, () => ({
    user: random.pick(users),
    channels: random.some([...names, ...PREFIXES], 3),
    got: [] as number[],
    gaps: [] as Told[],
    lastId: 'e-0',
    link: undefined as ReturnType<typeof open> | undefined,
  }));
  type Client = (typeof clients)[number];
  const take = (client: Client) => {
    const { text, writes } = client.link!.sink;
    client.got.push(...entriesIn(text));
    client.gaps.push(...gapsIn(text));
    const ids = [...text.matchAll(/<(\d+)>|id: e-(\d+)/g)].at(-1);
    if (ids !== undefined) client.lastId = `e-${ids[1] ?? ids[2]}`;
    writes.length = 0;
  };
  const connect = (client: Client) => {
    client.link = open(random.pick(all), client.user, client.channels, client.lastId);
  };
  for (let step = 0; step < 8_000; step += 1) {
    const client = random.pick(clients);
    const { link } = client;
    const action = random.below(8);
    if (action < 3) emit(random.some(names, 2), random.pick([undefined, random.pick(users)]));
    else if (action < 5) random.pick(all).post.shift()?.();
    else if (link === undefined) connect(client);
    else if (action === 5) {
      take(client);
      link.stream.aborted();
      client.link = undefined;
    } else if (action === 6) link.sink.isFull = true;
    else {
      link.sink.isFull = false;
      link.stream.writable();
    }
    if (random.below(3) === 0) await turn();
  }
  for (const client of clients) {
    if (client.link === undefined) connect(client);
    client.link!.sink.isFull = false;
    client.link!.stream.writable();
  }
  for (let i = 0; i < 30; i += 1) await settle();
  for (const client of clients) take(client);
  for (const { hub } of all) assertRetained(hub);
  return { clients, kept, seed: `seed ${random.seed}` };
}

const meantFor = (kept: readonly Kept[], user: string, channels: readonly string[]): number[] =>
  kept
    .filter(({ to }) => to === undefined || to === user)
    .filter((entry) => entry.channels.some((name) => takes(channels, name)))
    .map(({ n }) => n);

test('tails - every stream gets everything once and in order: any hub, lag, return, backpressure', async () => {
  const { clients, kept, seed } = await runModel(100_000);
  for (const { got, gaps, user, channels } of clients) {
    assert.deepEqual(got, meantFor(kept, user, channels), seed);
    assert.deepEqual(gaps, [], seed);
  }
});

test('tails - what is gone from the history too is told, and nothing else is', async () => {
  const { clients, kept, seed } = await runModel(20);
  let count = 0;
  for (const { got, gaps, user, channels } of clients) {
    const has = new Set(got);
    assert.deepEqual(
      got,
      [...has].sort((a, b) => a - b),
      seed,
    ); // strictly in order
    const missing = meantFor(kept, user, channels).filter((n) => !has.has(n));
    const isIn = (n: number) => (gap: Told) => gap.after < n && n <= gap.resumed;
    for (const n of missing) assert.ok(gaps.some(isIn(n)), `${n} is missing in silence, ${seed}`);
    for (const gap of gaps)
      assert.ok(
        missing.some((n) => isIn(n)(gap)),
        `false notice, ${seed}`,
      );
    count += gaps.length;
  }
  assert.ok(count > 0, 'nothing was ever gone');
});
