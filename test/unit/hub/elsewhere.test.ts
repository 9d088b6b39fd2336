/** Entries for channels that nobody here is on are in no log here, and yet nobody misses them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeeperRange } from '../../../src/hub/deeper-log.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const entry = (n: number, channel: string) => ({
  ...{ n, channels: [channel], to: undefined, bytes: Buffer.from(`<${n}>`) },
});

/** A tail over a history: what nobody is on lies in the history alone. */
function setUp() {
  const history = newHub();
  let asked = 0;
  const read = async (question: Parameters<typeof history.read>[0]): Promise<DeeperRange> => {
    asked += 1;
    return history.read(question);
  };
  const hub = newHub({ notices: true, deeperLog: { read }, newest: () => history.head });
  const emit = (n: number, channel: string) => {
    append(history, entry(n, channel));
    if (hub.elsewhere.isQuiet([channel])) hub.elsewhere.pass([channel], n);
    else hub.append([entry(n, channel)]);
  };
  const open = (channels: string[], lastEventId?: string) => {
    const sink = new FakeSink();
    const options = { user: 'ann', channels, address: '', expiresAt: 3_600, lastEventId };
    return { sink, stream: hub.open(sink, options) };
  };
  return { hub, emit, open, asked: () => asked };
}

const got = ({ text }: FakeSink): string => [...text.matchAll(/<\d+>/g)].join('');

async function settled(sink: FakeSink, expected: string): Promise<void> {
  for (let i = 0; i < 20 && got(sink) !== expected; i += 1) await turn();
  assert.equal(got(sink), expected);
  assert.ok(!sink.text.includes('tidings.gap'), sink.text);
}

test('elsewhere - of channels without streams nothing is kept; who comes back asks below', async () => {
  const { hub, emit, open, asked } = setUp();
  for (let n = 1; n <= 100; n += 1) emit(n, n % 2 === 0 ? 'even' : 'odd');
  assert.deepEqual([hub.head, hub.channels.size], [100, 0]);
  assertRetained(hub);
  const { sink } = open(['odd'], 'e-95');
  await settled(sink, '<97><99>');
  assert.equal(asked(), 1);
  emit(101, 'odd');
  await settled(sink, '<97><99><101>');
  assert.equal(asked(), 1);
});

test('elsewhere - who has missed nothing on a channel does not ask', async () => {
  const { emit, open, asked } = setUp();
  emit(1, 'news');
  emit(2, 'other');
  const { sink } = open(['news'], 'e-1');
  emit(3, 'news');
  await settled(sink, '<3>');
  assert.equal(asked(), 0);
});

test('elsewhere - what a channel still holds does not hide what came when its streams were gone', async () => {
  const { emit, open } = setUp();
  const first = open(['news']);
  emit(1, 'news');
  await turn();
  first.stream.aborted();
  emit(2, 'news');
  const { sink } = open(['news'], 'e-0');
  emit(3, 'news');
  await settled(sink, '<1><2><3>');
});

test('elsewhere - a prefix that comes to be later lacks what was passed by below it', async () => {
  const { emit, open } = setUp();
  const first = open(['e/1']);
  emit(1, 'e/1');
  await turn();
  first.stream.aborted();
  emit(2, 'e/1');
  emit(3, 'e/2');
  emit(4, 'e/1');
  for (const [after, expected] of [
    ['e-1', '<2><3><4>'],
    ['e-2', '<3><4>'],
    ['e-3', '<4>'],
  ] as const)
    await settled(open(['e/*'], after).sink, expected);
});

test('elsewhere - a prefix that is kept without streams passes by what comes below it, too', async () => {
  const { emit, open, hub } = setUp();
  const first = open(['e/*']);
  emit(1, 'e/1');
  await turn();
  first.stream.aborted();
  emit(2, 'e/1');
  emit(3, 'e/2');
  await settled(open(['e/*'], 'e-0').sink, '<1><2><3>');
  await settled(open(['e/2'], 'e-1').sink, '<3>');
  emit(4, 'e/2');
  assertRetained(hub);
});
