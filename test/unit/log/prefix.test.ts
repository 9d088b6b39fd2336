/** A prefix that comes to be, is let go, and comes back. The model beside it has all of it at random. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hub } from '../../../src/hub/hub.ts';
import { mostBytes } from '../../../src/log/entry.ts';
import { stemsOf } from '../../../src/log/prefix.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const ADDRESSEE = { address: '', expiresAt: 1e9 };

function open(hub: Hub, channels: string[], lastEventId?: string, user = 'ann') {
  const sink = new FakeSink();
  const stream = hub.open(sink, { ...ADDRESSEE, user, channels, lastEventId });
  const numbers = () => [...sink.text.matchAll(/<(\d+)>/g)].map((match) => Number(match[1]));
  return { stream, numbers, isToldOfGap: () => sink.text.includes('tidings.gap') };
}

const emit = (hub: Hub, channels: string[], to?: string): number => {
  const n = hub.head + 1;
  return append(hub, { n, channels, to, bytes: Buffer.from(`<${n}>`) });
};

test('prefix - the stems above a name: eight at most, none above a prefix', () => {
  assert.deepEqual(stemsOf('a'), []);
  assert.deepEqual(stemsOf('a/b/c'), ['a/', 'a/b/']);
  assert.deepEqual(stemsOf('/a/'), ['/', '/a/']);
  assert.deepEqual(stemsOf('a/b/*'), []);
  assert.equal(stemsOf('1/2/3/4/5/6/7/8/9/10').length, 8);
});

test('prefix - one that nobody needs any more is let go, and nobody who comes back is told of a gap', async () => {
  let now = 0;
  const hub = newHub({ notices: true, now: () => now });
  const first = open(hub, ['a/*']);
  for (let i = 0; i < 3; i += 1) emit(hub, ['a/1']);
  await turn();
  now = 100;
  first.stream.aborted();
  now = 160;
  emit(hub, ['a/1']);
  assert.equal(hub.channels.get('a/*')?.log.count, 4, 'it counts as long as its history');
  now = 161;
  emit(hub, ['a/2']);
  assert.equal(hub.channels.has('a/*'), false);
  assertRetained(hub);
  const second = open(hub, ['a/*'], 'e-1');
  await turn();
  assert.deepEqual(second.numbers(), [2, 3, 4, 5]);
  assert.equal(second.isToldOfGap(), false);
  assertRetained(hub);
});

test('prefix - what was evicted below it before it came to be is not forgotten when it evicts itself', async () => {
  const hub = newHub({ notices: true, retention: { capacity: 2 } });
  emit(hub, ['a/1'], 'ann');
  for (let i = 0; i < 3; i += 1) emit(hub, ['a/2'], 'bob');
  await turn();
  emit(hub, ['a/2'], 'bob');
  const bob = open(hub, ['a/*'], 'e-1', 'bob');
  await turn();
  assert.equal(bob.isToldOfGap(), true, 'number 2 is gone');
  assert.deepEqual(bob.numbers(), [4, 5]);
});

test('prefix - restored, an entry is in its log once, wherever the snapshot names it', async () => {
  const hub = newHub();
  emit(hub, ['a/1']);
  open(hub, ['a/*']);
  emit(hub, ['a/1']);
  emit(hub, ['a/2', 'b']);
  const { evictions, entries, ...dump } = hub.dump();
  const restored = newHub();
  restored.restore({ ...dump, evictions: [...evictions], entries: [...entries] });
  assert.equal(restored.channels.get('a/*')?.log.count, 3);
  assertRetained(restored);
  const stream = open(restored, ['a/*'], 'e-0');
  await turn();
  assert.deepEqual(stream.numbers(), [1, 2, 3]);
});

test('prefix - an entry is admitted with the logs that it will be in', () => {
  const entry = { byteLength: 3, to: undefined, channels: ['a/b/1'] };
  const logs = [...entry.channels, 'a/*', 'a/b/*'];
  const budgetBytes = mostBytes({ ...entry, channels: logs }) - 1;
  const hub = newHub({ retention: { budgetBytes } });
  hub.admit(entry);
  open(hub, ['a/*']);
  hub.admit(entry);
  open(hub, ['a/b/*', 'b/*']);
  assert.throws(() => hub.admit(entry), { code: 'EVENT_TOO_LARGE' });
});

test('prefix - the history of threads answers for one that nobody there is on', async () => {
  const hub = newHub({ retention: { capacity: 3 } });
  for (let i = 0; i < 4; i += 1) emit(hub, [`a/${i}`]);
  const question = { user: 'ann', channels: ['a/*'], upto: 9 };
  const numbers = async (after: number) => {
    const { frames, missedThrough } = await hub.read({ ...question, after });
    return [missedThrough, ...frames.map(({ n }) => n)];
  };
  assert.deepEqual(await numbers(2), [2, 3, 4]);
  emit(hub, ['a/4']);
  assert.deepEqual(await numbers(2), [2, 3, 4, 5]);
  assert.deepEqual(
    await numbers(0),
    [2, 3, 4, 5],
    'its own history is as long as that of a channel',
  );
});
