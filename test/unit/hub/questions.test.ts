import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answerOf,
  MAX_STREAMS_PER_ANSWER,
  type Question,
  type StreamFacts,
} from '../../../src/hub/questions.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const hub = newHub();
  const open = (user: string, channels: string[]) => {
    const sink = new FakeSink();
    return { sink, stream: hub.open(sink, { user, channels, address: '', expiresAt: 3_600 }) };
  };
  // Across a thread or a machine only plain data gets.
  const ask = <Q extends Question>(question: Q) =>
    structuredClone(answerOf(hub, structuredClone(question)));
  const idsOf = (which: Extract<Question, { ask: 'streams' }>['which']) =>
    ask({ ask: 'streams', which }).streams.map(({ id }) => id);
  return { hub, open, ask, idsOf };
}

test('questions - counts', async () => {
  const { hub, open, ask } = setUp();
  const { sink } = open('ann', ['a', 'b']);
  sink.isFull = true;
  append(hub, { n: 7, channels: ['a'], to: undefined, bytes: Buffer.from('x') });
  await turn();
  const { retainedBytes, ...counts } = ask({ ask: 'stats' });
  assert.deepEqual(counts, { streams: 1, blockedStreams: 1, slowStreams: 1, channels: 2, head: 7 });
  assert.equal(retainedBytes, hub.retainedBytes);
});

test('questions - who is connected, by user, channel, id, or all of them', () => {
  const { open, idsOf } = setUp();
  open('ann', ['a']);
  open('ann', ['b']);
  open('bob', ['a', 'b']);
  assert.deepEqual(idsOf({}), [1, 2, 3]);
  assert.deepEqual(idsOf({ user: 'ann' }), [1, 2]);
  assert.deepEqual(idsOf({ channel: 'a' }), [1, 3]);
  assert.deepEqual(idsOf({ channel: 'a', user: 'ann' }), [1]);
  assert.deepEqual(idsOf({ id: 3, user: 'ann' }), []);
  assert.deepEqual(idsOf({ channel: 'elsewhere' }), []);
});

test('questions - facts of a stream, with the position of one that is idle', async () => {
  const { hub, open, ask } = setUp();
  open('ann', ['b', 'a']);
  append(hub, { n: 3, channels: ['a'], to: 'bob', bytes: Buffer.from('x') });
  await turn();
  const { streams, next } = ask({ ask: 'streams', which: {} });
  const [{ age, ...rest }] = streams as [StreamFacts];
  assert.deepEqual(rest, {
    id: 1,
    user: 'ann',
    channels: ['a', 'b'],
    address: '',
    position: 3,
    isBlocked: false,
  });
  assert.ok(age >= 0 && age < 60, `${age}`);
  assert.deepEqual([streams.length, next], [1, undefined]);
});

test('questions - many streams come in pages, each once', () => {
  const { open, ask } = setUp();
  const count = 2 * MAX_STREAMS_PER_ANSWER + 5;
  for (let i = 0; i < count; i += 1) open(`u${i}`, ['a']);
  const ids: number[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const { streams, next }: { streams: readonly { id: number }[]; next: number | undefined } = ask(
      { ask: 'streams', which: { channel: 'a' }, after },
    );
    assert.ok(streams.length <= MAX_STREAMS_PER_ANSWER);
    ids.push(...streams.map(({ id }) => id));
    after = next;
  }
  assert.deepEqual(
    ids,
    Array.from({ length: count }, (_, i) => i + 1),
  );
});

test('questions - those who are to end do so on a whole frame, with when to come back', async () => {
  const { hub, open, ask } = setUp();
  const ann = open('ann', ['a']);
  const bob = open('bob', ['a']);
  append(hub, { n: 1, channels: ['a'], to: undefined, bytes: Buffer.from('<1>') });
  assert.deepEqual(ask({ ask: 'end', which: { user: 'ann' }, retryMs: [5_000, 5_000] }), {
    count: 1,
  });
  assert.deepEqual([ann.sink.text, ann.sink.hasEnded], ['<1>:\nretry: 5000\n:\n', true]);
  await turn();
  assert.deepEqual([bob.sink.text, bob.sink.hasEnded], ['<1>:\n', false]);
});
