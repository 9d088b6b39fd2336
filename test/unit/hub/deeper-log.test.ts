import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type DeeperLog,
  type DeeperQuestion,
  type DeeperRange,
  MAX_ASKED,
} from '../../../src/hub/deeper-log.ts';
import { StreamState } from '../../../src/hub/stream.ts';
import { LateFrame } from '../../../src/wire/frame.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await turn();
}

interface Kept {
  readonly n: number;
  readonly channels: readonly string[];
  readonly to: string | undefined;
}

/** Keeps everything after `lostThrough`, answers a few entries at a time, and when it is told to. */
class FakeDeeperLog implements DeeperLog {
  readonly kept: Kept[] = [];
  readonly questions: DeeperQuestion[] = [];
  lostThrough = 0;
  head = 0;
  answers: (() => void)[] = [];
  readonly #entries: number;

  constructor(entriesPerRange: number) {
    this.#entries = entriesPerRange;
  }

  read(question: DeeperQuestion): Promise<DeeperRange> {
    this.questions.push(question);
    return new Promise((resolve) => this.answers.push(() => resolve(this.#range(question))));
  }

  answerAll(): void {
    for (const answer of this.answers.splice(0)) answer();
  }

  #range({ user, channels, after }: DeeperQuestion): DeeperRange {
    const meant = this.kept.filter(
      ({ n, to, channels: on }) =>
        n > after &&
        (to === undefined || to === user) &&
        on.some((name) => channels.includes(name)),
    );
    const lost = meant.filter(({ n }) => n <= this.lostThrough);
    const found = meant.filter(({ n }) => n > this.lostThrough).slice(0, this.#entries);
    return {
      missedThrough: lost.at(-1)?.n ?? after,
      frames: found.map(({ n }) => ({ n, bytes: Buffer.from(`<${n}>`) })),
      through: found.length < this.#entries ? this.head : found.at(-1)!.n,
    };
  }
}

function setUp({ entries = 3, capacity = 2 } = {}) {
  const deeperLog = new FakeDeeperLog(entries);
  const hub = newHub({ notices: true, retention: { capacity }, deeperLog });
  const emit = (channels: string[], to?: string) => {
    deeperLog.head += 1;
    const n = deeperLog.head;
    deeperLog.kept.push({ n, channels, to });
    append(hub, { n, channels, to, bytes: Buffer.from(`<${n}>`) });
  };
  const open = (user: string, channels: string[], lastEventId?: string, sink = new FakeSink()) => {
    const options = { user, channels, address: '', expiresAt: 3_600, lastEventId };
    return { sink, stream: hub.open(sink, options) };
  };
  const settle = async () => {
    for (let i = 0; i < 20; i += 1) {
      deeperLog.answerAll();
      await turns(4);
    }
  };
  return { hub, deeperLog, emit, open, settle };
}

const entriesIn = (text: string): number[] =>
  [...text.matchAll(/<(\d+)>/g)].map((m) => Number(m[1]));

test('deeper log - what the hub has evicted comes from below, then from its own tail, then live', async () => {
  const { emit, open, settle, deeperLog } = setUp();
  for (let i = 0; i < 10; i += 1) emit(['a'], i % 5 === 4 ? 'bob' : undefined);
  await turns(3);
  const { sink } = open('ann', ['a', 'b'], 'e-1');
  assert.match(sink.text, /tidings\.open\ndata: .*\nid: e-1\n/, 'nothing is missing yet');
  await turns(2);
  emit(['a']); // while it asks
  await settle();
  emit(['a']);
  await settle();
  assert.deepEqual(entriesIn(sink.text), [2, 3, 4, 6, 7, 8, 9, 11, 12]);
  assert.ok(!sink.text.includes('tidings.gap'));
  assert.deepEqual(deeperLog.questions[0], {
    ...{ user: 'ann', channels: ['a', 'b'], after: 1, upto: 8 },
  });
});

test('deeper log - a gap is told only when it is missing there too, once, and what is left follows', async () => {
  const { emit, open, settle, deeperLog } = setUp();
  for (let i = 0; i < 10; i += 1) emit(['a']);
  await turns(3);
  deeperLog.lostThrough = 4;
  const { sink } = open('ann', ['a'], 'e-1');
  await settle();
  assert.match(sink.text, /"after":"e-1","resumed":"e-4","reason":"evicted".*\nid: e-4\n/);
  assert.equal(sink.text.split('tidings.gap').length, 2);
  assert.deepEqual(entriesIn(sink.text.replace(/"e-\d"/g, '')), [5, 6, 7, 8, 9, 10]);
});

test('deeper log - a stream that is stuck, gone or ended while it asks is not written to', async () => {
  const { hub, emit, open, settle } = setUp();
  for (let i = 0; i < 10; i += 1) emit(['a']);
  await turns(3);
  const stuck = open('ann', ['a'], 'e-1');
  const gone = open('bob', ['a'], 'e-1');
  const ended = open('eve', ['a'], 'e-1');
  await turns(2);
  assert.equal(stuck.stream.state, StreamState.Asking);
  stuck.sink.isFull = true;
  hub.beat(stuck.stream);
  gone.stream.aborted();
  hub.end(ended.stream, 'drain');
  await settle();
  assert.deepEqual(
    [gone, ended, stuck].map(({ sink }) => entriesIn(sink.text)),
    [[], [], []],
  );
  stuck.sink.isFull = false;
  stuck.stream.writable();
  await settle();
  assert.deepEqual(entriesIn(stuck.sink.text), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assertRetained(hub);
});

test('deeper log - one that cannot be asked, or does not get on, ends the stream: it comes back', async () => {
  for (const read of [
    () => Promise.reject(new Error('away')),
    async ({ after }: DeeperQuestion) => ({ missedThrough: after, frames: [], through: after }),
  ]) {
    const hub = newHub({ retention: { capacity: 1 }, deeperLog: { read } });
    for (let n = 1; n <= 3; n += 1)
      append(hub, { n, channels: ['a'], to: undefined, bytes: Buffer.from(`<${n}>`) });
    await turns(2);
    const sink = new FakeSink();
    hub.open(sink, { user: 'ann', channels: ['a'], address: '', expiresAt: 9, lastEventId: 'e-0' });
    await turns(5);
    assert.deepEqual([sink.hasClosed, hub.streams.size], [true, 0]);
  }
});

test('deeper log - agrees with a naive model: random returns, emits, backpressure and slow answers', async () => {
  const random = new Random();
  const { hub, emit, open, deeperLog } = setUp({ entries: 5, capacity: 3 });
  const names = ['a', 'b', 'c'];
  const users = ['ann', 'bob', 'eve'];
  const clients = Array.from({ length: 12 }, () => ({
    user: random.pick(users),
    channels: random.some(names, 2),
    got: [] as number[],
    link: undefined as ReturnType<typeof open> | undefined,
  }));
  const take = (client: (typeof clients)[number]) => {
    const { sink } = client.link!;
    client.got.push(...entriesIn(sink.text));
    sink.writes.length = 0;
  };
  const lastId = (client: (typeof clients)[number]) => `e-${client.got.at(-1) ?? 0}`;
  for (let step = 0; step < 6_000; step += 1) {
    const client = random.pick(clients);
    const action = random.below(6);
    if (action < 2) emit(random.some(names, 2), random.pick([undefined, random.pick(users)]));
    else if (action === 2) deeperLog.answerAll();
    else if (client.link === undefined)
      client.link = open(client.user, client.channels, lastId(client));
    else if (action === 3) {
      take(client);
      client.link.stream.aborted();
      client.link = undefined;
    } else if (action === 4) client.link.sink.isFull = true;
    else {
      client.link.sink.isFull = false;
      client.link.stream.writable();
    }
    if (random.below(3) === 0) await turn();
  }
  for (const client of clients) {
    client.link ??= open(client.user, client.channels, lastId(client));
    client.link.sink.isFull = false;
    client.link.stream.writable();
  }
  for (let i = 0; i < 2_000 && deeperLog.answers.length + i < 2_000; i += 1) {
    deeperLog.answerAll();
    await turn();
  }
  await turns(20);
  for (const client of clients) {
    take(client);
    const meant = deeperLog.kept.filter(
      ({ to, channels }) =>
        (to === undefined || to === client.user) &&
        channels.some((name) => client.channels.includes(name)),
    );
    const numbers = meant.map(({ n }) => n);
    assert.deepEqual(client.got, numbers, `seed ${random.seed}`);
  }
  assertRetained(hub);
});

test('deeper log - the answer to an earlier question is not taken for that to a later one', async () => {
  const { emit, open, settle, deeperLog } = setUp({ entries: 2 });
  for (let i = 0; i < 10; i += 1) emit(['a']);
  await turns(3);
  const { sink, stream } = open('ann', ['a'], 'e-0');
  await turns(2);
  // Blocked while it asks, and free again: it asks once more.
  sink.isFull = true;
  stream.heartbeat();
  sink.isFull = false;
  stream.writable();
  await turns(2);
  assert.equal(deeperLog.answers.length, 2);
  deeperLog.answers.shift()!();
  await turns(4);
  await settle();
  assert.deepEqual(entriesIn(sink.text), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('deeper log - so many questions are open at a time, the other streams wait for their turn', async () => {
  const { hub, emit, open, settle, deeperLog } = setUp({ entries: 20 });
  for (let i = 0; i < 10; i += 1) emit(['a']);
  await turns(3);
  const links = Array.from({ length: MAX_ASKED + 30 }, (_, i) => open(`user-${i}`, ['a'], 'e-0'));
  await turns(3);
  assert.equal(deeperLog.answers.length, MAX_ASKED);
  // Some are gone before their turn; one is stuck, and its turn passes.
  const waiting = links.slice(MAX_ASKED);
  for (const { stream } of waiting.slice(0, 10)) stream.aborted();
  const stuck = waiting[10]!;
  stuck.sink.isFull = true;
  hub.beat(stuck.stream);
  deeperLog.answers.shift()!();
  await turns(2);
  assert.equal(deeperLog.answers.length, MAX_ASKED, 'one answer, one more question');
  assert.equal(deeperLog.questions.at(-1)!.user, `user-${MAX_ASKED + 11}`);
  await settle();
  stuck.sink.isFull = false;
  stuck.stream.writable();
  await settle();
  for (const { sink } of [...links.slice(0, MAX_ASKED), ...waiting.slice(10)])
    assert.deepEqual(entriesIn(sink.text), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(deeperLog.questions.length, links.length - 10);
});

test('deeper log - answers that come together are written in slices', async () => {
  const { emit, open, settle, deeperLog } = setUp({ entries: 2 });
  for (let i = 0; i < 10; i += 1) emit(['a']);
  await turns(3);
  const links = Array.from({ length: 40 }, (_, i) => open(`user-${i}`, ['a'], 'e-0'));
  await turns(3);
  assert.equal(deeperLog.answers.length, 40);
  let takesMs = 0.5;
  for (const { sink } of links) {
    const write = sink.write.bind(sink);
    sink.write = (bytes) => {
      const end = performance.now() + takesMs;
      while (performance.now() < end);
      return write(bytes);
    };
  }
  deeperLog.answerAll();
  await turns(2);
  const written = links.filter(({ sink }) => entriesIn(sink.text).length > 0).length;
  assert.ok(written > 0 && written < 10, `${written} of 40 in the first slice`);
  takesMs = 0;
  await settle();
  for (const { sink } of links)
    assert.deepEqual(entriesIn(sink.text), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('deeper log - one that cannot be asked holds nobody up', async () => {
  const asked: string[] = [];
  const read = ({ user }: DeeperQuestion) => {
    asked.push(user);
    return Promise.reject(new Error('away'));
  };
  const hub = newHub({ retention: { capacity: 1 }, deeperLog: { read } });
  for (let n = 1; n <= 3; n += 1)
    append(hub, { n, channels: ['a'], to: undefined, bytes: Buffer.from(`<${n}>`) });
  await turns(2);
  const rest = { channels: ['a'], address: '', expiresAt: 9, lastEventId: 'e-0' };
  for (let i = 0; i < MAX_ASKED * 2; i += 1) hub.open(new FakeSink(), { user: `${i}`, ...rest });
  await turns(9);
  assert.deepEqual([asked.length, hub.streams.size], [MAX_ASKED * 2, 0]);
});

test('deeper log - an answer is plain data, whole in another thread', async () => {
  const hub = newHub();
  for (let n = 1; n <= 3; n += 1) {
    const bytes = new LateFrame(`data: ${n}\n`, `e-${n}`);
    hub.append([{ n, to: n === 2 ? 'bob' : undefined, channels: ['a'], bytes }]);
  }
  const answer = structuredClone(
    await hub.read({ user: 'ann', channels: ['a'], after: 0, upto: 0 }),
  );
  const told = answer.frames.map(({ n, bytes }) => [n, Buffer.from(bytes).toString()]);
  assert.deepEqual(told, [
    [1, 'data: 1\nid: e-1\n\n'],
    [3, 'data: 3\nid: e-3\n\n'],
  ]);
  assert.deepEqual([answer.missedThrough, answer.through], [0, 3]);
});
