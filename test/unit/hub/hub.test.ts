import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hub } from '../../../src/hub/hub.ts';
import type { Stream } from '../../../src/hub/stream.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub as hubOf } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
// A flush takes several turns of the loop when the machine is busy.
async function settled(): Promise<void> {
  for (let turns = 0; turns < 100; turns += 1) await turn();
}

const newHub = (history = 1_000): Hub => hubOf({ retention: { capacity: history } });
const openOn = (hub: Hub, user: string, channels: string[], sink = new FakeSink()) =>
  hub.open(sink, { user, channels, address: '', expiresAt: 3_600 });
const entry = (n: number, channels: string[], to?: string | Set<string>) => ({
  n,
  channels,
  to,
  bytes: Buffer.from(`<${n}>`),
});

test('hub - tells how many streams an entry is for', () => {
  const hub = newHub();
  openOn(hub, 'ann', ['a']);
  openOn(hub, 'ann', ['a', 'b']);
  openOn(hub, 'bob', ['b']);
  assert.equal(append(hub, entry(1, ['a'])), 2);
  assert.equal(append(hub, entry(2, ['b'])), 2);
  assert.equal(append(hub, entry(3, ['a', 'b'])), 3, 'one on both channels counts once');
  assert.equal(append(hub, entry(4, ['a'], 'ann')), 2);
  assert.equal(append(hub, entry(5, ['a', 'b'], 'ann')), 2);
  assert.equal(append(hub, entry(6, ['b'], new Set(['ann', 'bob', 'eve']))), 2);
  assert.equal(append(hub, entry(7, ['elsewhere'])), 0);
});

test('hub - an emit to one user does not touch the others', async () => {
  const hub = newHub();
  const sinks = Array.from({ length: 100 }, () => new FakeSink());
  for (const [i, sink] of sinks.entries()) openOn(hub, `u${i}`, ['c'], sink);
  append(hub, entry(1, ['c'], 'u7'));
  await turn();
  assert.deepEqual(
    sinks.flatMap((sink, i) => (sink.corks > 0 ? [i] : [])),
    [7],
  );
});

test('hub - a broadcast is concatenated once for all', async () => {
  const hub = newHub();
  const written: Uint8Array[] = [];
  for (let i = 0; i < 20; i += 1) {
    const sink = new FakeSink();
    sink.write = (bytes) => {
      written.push(bytes);
      return true;
    };
    openOn(hub, `u${i}`, ['c'], sink);
  }
  append(hub, entry(1, ['c']));
  append(hub, entry(2, ['c']));
  await turn();
  const frames = new Set(written.filter((bytes) => bytes.length > 2));
  assert.equal(frames.size, 1);
});

test('hub - channels, users and sets with nothing left are forgotten', async () => {
  const hub = newHub(0);
  const stream = openOn(hub, 'ann', ['a', 'b']);
  append(hub, entry(1, ['a', 'x']));
  await turn();
  stream.aborted();
  assert.deepEqual([...hub.channels.keys()], []);
  assert.equal(hub.retainedBytes, 0);
});

test('hub - a flush that takes long lets others have their turn, and still delivers in order, once', async () => {
  const hub = newHub();
  const sinks = Array.from({ length: 200 }, () => new FakeSink());
  for (const [i, sink] of sinks.entries()) {
    sink.cork = (fn) => {
      const end = performance.now() + 0.2;
      while (performance.now() < end); // a kernel that takes its time
      fn();
    };
    openOn(hub, `u${i}`, ['c'], sink);
  }
  let turns = 0;
  for (let n = 1; n <= 10; n += 1) {
    append(hub, entry(n, ['c']));
    await turn();
    turns += 1;
  }
  while (sinks.some((sink) => !sink.text.includes('<10>'))) {
    await turn();
    turns += 1;
  }
  assert.ok(turns > 10, `sliced: ${turns} turns`);
  const expected = Array.from({ length: 10 }, (_, i) => `<${i + 1}>`).join('');
  for (const sink of sinks) assert.equal(sink.text.replaceAll(':\n', ''), expected);
});

interface Reader {
  readonly stream: Stream;
  readonly sink: FakeSink;
  readonly user: string;
  readonly channels: string[];
  expected: string;
  isGone: boolean;
}

test('hub - agrees with a naive model: random streams, emits, backpressure and departures', async () => {
  const random = new Random();
  const hub = newHub(100_000);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const users = ['ann', 'bob', 'eve', 'joe', 'kim', 'lee'];
  const readers: Reader[] = [];
  let n = 0;
  const live = () => readers.filter((reader) => !reader.isGone);
  const check = () => {
    for (const reader of readers) {
      const got = reader.sink.text.replaceAll(':\n', '');
      const isBehind = reader.isGone || hub.flow.blockedStreams.has(reader.stream);
      const wanted = isBehind ? reader.expected.slice(0, got.length) : reader.expected;
      assert.equal(got, wanted, `seed ${random.seed}, user ${reader.user} on ${reader.channels}`);
    }
  };
  const actions = [
    () => {
      if (live().length > 40) return;
      const sink = new FakeSink();
      const user = random.pick(users);
      const channels = random.some(names, 3);
      const stream = openOn(hub, user, channels, sink);
      readers.push({ stream, sink, user, channels, expected: '', isGone: false });
    },
    () => {
      const to = random.pick([
        undefined,
        undefined,
        random.pick(users),
        new Set(random.some(users, 3)),
      ]);
      const channels = random.some(names, 2);
      n += 1;
      const count = append(hub, entry(n, channels, to));
      const isFor = (reader: Reader) =>
        reader.channels.some((name) => channels.includes(name)) &&
        (to === undefined || to === reader.user || (to instanceof Set && to.has(reader.user)));
      const meant = live().filter(isFor);
      for (const reader of meant) reader.expected += `<${n}>`;
      assert.equal(count, meant.length, `seed ${random.seed}, n ${n}`);
    },
    () => {
      const reader = random.pick(live());
      if (reader !== undefined) reader.sink.isFull = true;
    },
    () => {
      const reader = random.pick(live());
      if (reader === undefined) return;
      reader.sink.isFull = false;
      reader.stream.writable();
    },
    () => {
      const reader = random.pick(live());
      if (reader === undefined || random.below(4) > 0) return;
      reader.isGone = true;
      reader.stream.aborted();
    },
  ];
  for (let step = 0; step < 30_000; step += 1) {
    // Emits are the most frequent action.
    (random.below(2) === 0 ? actions[1]! : random.pick(actions))();
    if (random.below(5) === 0) await turn();
    if (step % 1_000 === 0) {
      await settled();
      check();
    }
  }
  for (const reader of live()) {
    reader.sink.isFull = false;
    reader.stream.writable();
  }
  await settled();
  check();
  assert.equal(hub.flow.blockedStreams.size, 0);
});

test('hub - an emit each to many users in one turn reads the log once per slice, not once per user', async () => {
  const hub = newHub(100_000);
  const users = Array.from({ length: 2_000 }, (_, i) => `u${i}`);
  const sinks = users.map((user) => {
    const sink = new FakeSink();
    openOn(hub, user, ['c'], sink);
    return sink;
  });
  const { log } = hub.channels.get('c')!;
  const after = log.after.bind(log);
  let reads = 0;
  log.after = (n) => {
    reads += 1;
    return after(n);
  };
  for (const [i, user] of users.entries()) append(hub, entry(i + 1, ['c'], user));
  while (sinks.some((sink) => sink.writes.length === 0)) await turn();
  assert.ok(reads < 200, `${reads} reads`);
  for (const [i, sink] of sinks.entries()) assert.equal(sink.text, `<${i + 1}>:\n`);
});

test('hub - counting who is on two channels walks the smaller one only', () => {
  const hub = newHub();
  const visited: string[] = [];
  for (let i = 0; i < 1_000; i += 1) openOn(hub, `u${i}`, ['all', `user-${i % 500}`]);
  const channel = hub.channels.get('all')!;
  const walk = channel.walk.bind(channel);
  channel.walk = () => {
    visited.push('all');
    return walk();
  };
  assert.equal(append(hub, entry(1, ['user-7', 'all'])), 1_000);
  assert.equal(append(hub, entry(2, ['all', 'nobody'])), 1_000);
  assert.equal(append(hub, entry(3, ['user-7', 'user-8'])), 4);
  assert.deepEqual(visited, []);
});

test('hub - counting who is on two channels walks once until somebody comes or goes', () => {
  const hub = newHub();
  const streams = Array.from({ length: 100 }, (_, i) =>
    openOn(hub, `u${i}`, i < 60 ? ['a', 'b'] : ['b']),
  );
  const channel = hub.channels.get('a')!;
  const walk = channel.walk.bind(channel);
  let walks = 0;
  channel.walk = () => {
    walks += 1;
    return walk();
  };
  let n = 0;
  const count = () => append(hub, entry(++n, ['a', 'b']));
  assert.deepEqual([count(), count(), count(), walks], [100, 100, 100, 1]);
  streams[0]!.aborted();
  assert.deepEqual([count(), count(), walks], [99, 99, 2]);
  openOn(hub, 'eve', ['a']);
  openOn(hub, 'joe', ['c']);
  assert.deepEqual([count(), count(), walks], [100, 100, 3]);
});

test('hub - entries that another hub had own their bytes', () => {
  const hub = newHub();
  for (let n = 1; n <= 10; n += 1)
    append(hub, entry(n, ['a', 'b'], n % 2 === 0 ? 'ann' : undefined));
  const next = hubOf({ epoch: 'f', olderEpochs: [{ epoch: 'e', head: 10 }] });
  next.restore(hub.dump());
  assertRetained(next);
  for (const { bytes } of next.channels.get('a')!.log.after(0))
    assert.equal(bytes.buffer.byteLength, bytes.length);
  assert.equal(next.retainedBytes, hub.retainedBytes);
  assert.equal(next.head, 10);
});

test('hub - streams with sets of channels of their own share the bytes of the one that has news', async () => {
  const hub = newHub();
  const written = new Set<Uint8Array>();
  for (let i = 0; i < 50; i += 1) {
    const sink = new FakeSink();
    sink.write = (bytes) => {
      if (bytes.length > 2) written.add(bytes);
      return true;
    };
    openOn(hub, `u${i}`, ['all', `user-${i}`], sink);
  }
  append(hub, entry(1, ['all']));
  append(hub, entry(2, ['all']));
  await settled();
  // One for each slice of the flush: a busy machine may need several.
  assert.ok(written.size < 10, `${written.size} for 50 streams`);
  for (const bytes of written) assert.equal(String(bytes), '<1><2>');
});

test('hub - a flush gives way to what waits for the next turn, and goes on behind it', async () => {
  let isPressed = true;
  const hub = hubOf({ isPressed: () => isPressed });
  const sinks = Array.from({ length: 100 }, () => new FakeSink());
  for (const [i, sink] of sinks.entries()) openOn(hub, `u${i}`, ['c'], sink);
  const written = () => sinks.filter((sink) => sink.corks > 0).length;
  append(hub, entry(1, ['c']));
  await turn();
  const first = written();
  assert.ok(first > 0 && first < 100, `${first} of 100 in the first turn`);
  append(hub, entry(2, ['c'])); // what it gave way to
  await turn();
  assert.ok(written() > first, 'no turn is without progress');
  isPressed = false;
  await settled();
  for (const { text } of sinks) assert.equal(text.replaceAll(':\n', ''), '<1><2>');
});
