import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CloseReason, type Stream, StreamState } from '../../../src/hub/stream.ts';
import { ENTRY_OVERHEAD_BYTES } from '../../../src/log/entry.ts';
import { MAX_WRITE_BYTES } from '../../../src/log/range.ts';
import { TICKS_PER_SECOND } from '../../../src/log/timetable.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append as appendTo, newHub } from '../../support/hub.ts';

const NUDGE = ':\n';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Setup {
  readonly history?: number;
  readonly notices?: boolean;
}

// As the encoder makes them: not cut out of a pool.
function frameOf(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function setUp({ history = 100, notices = false }: Setup = {}) {
  const closed: [number, CloseReason][] = [];
  const clock = { now: 0 };
  const hub = newHub({
    notices,
    retention: { capacity: history, budgetBytes: 10_000_000 },
    onClosed: (stream: Stream, reason) => closed.push([stream.id, reason]),
    now: () => clock.now,
  });
  let n = 0;
  const open = (sink: FakeSink, user = 'ann', channels = ['c']) =>
    hub.open(sink, { user, channels, address: '', expiresAt: 3600 });
  const append = (text: string, to?: string, channels = ['c']) =>
    appendTo(hub, { n: ++n, channels, to, bytes: frameOf(text) });
  return { hub, open, append, closed, clock };
}

test('stream - nothing is written before the turn ends, then everything in one cork', async () => {
  const { open, append } = setUp();
  const sink = new FakeSink();
  open(sink);
  append('a');
  append('b');
  assert.deepEqual(sink.writes, []);
  await turn();
  assert.deepEqual([sink.writes, sink.corks], [['ab', NUDGE], 1]);
});

test('stream - what was appended before it opened is not for it', async () => {
  const { open, append } = setUp();
  append('old');
  const sink = new FakeSink();
  open(sink);
  await turn();
  append('new');
  await turn();
  assert.equal(sink.text, `new${NUDGE}`);
});

test('stream - keeps its place when the sink is full, and goes on from there', async () => {
  const { hub, open, append } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  append('a');
  await turn();
  append('b');
  append('c');
  await turn();
  assert.deepEqual(sink.writes, ['a'], 'blocked: must not write again');
  assert.equal(hub.flow.blockedStreams.size, 1);

  sink.isFull = false;
  stream.writable();
  assert.deepEqual(sink.writes, ['a', NUDGE, 'bc', NUDGE]);
  assert.deepEqual([stream.state, hub.flow.blockedStreams.size], [StreamState.Live, 0]);
});

test('stream - a frame half written is finished first, even when its entry is evicted', async () => {
  const { open, append } = setUp({ history: 1, notices: true });
  const sink = new FakeSink();
  const stream = open(sink);
  sink.writes.length = 0; // the opening
  sink.isFull = true;
  const large = 'x'.repeat(MAX_WRITE_BYTES + 10);
  append(large);
  await turn();
  append('b');
  append('c');
  append('d');
  await turn();
  sink.isFull = false;
  stream.writable();
  const data = '{"after":"e-1","resumed":"e-3","reason":"lagged","spread":20}';
  const gap = `event: tidings.gap\ndata: ${data}\nid: e-3\n\n`;
  assert.equal(sink.text, `${large}${NUDGE}${gap}${NUDGE}d${NUDGE}`);
});

test('stream - one that falls off the ring is told, once, and continues', async () => {
  const { open, append } = setUp({ history: 2, notices: true });
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  for (const text of ['a', 'b', 'c', 'd']) {
    append(text);
    await turn();
  }
  sink.isFull = false;
  stream.writable();
  assert.equal(sink.text.split('tidings.gap').length, 2);
  assert.ok(
    /"resumed":"e-2","reason":"lagged","spread":\d+\}\nid: e-2\n\n:\ncd:\n$/.test(sink.text),
    sink.text,
  );
});

test('stream - without history the log holds what blocked streams need, and no more', async () => {
  const { hub, open, append } = setUp({ history: 0 });
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  for (const text of ['a', 'b', 'c']) append(text);
  await turn();
  append('d');
  await turn();
  assert.equal(hub.channels.get('c')?.log.count, 1, 'only what it has not had');
  sink.isFull = false;
  stream.writable();
  assert.equal(sink.text, `abc${NUDGE}d${NUDGE}`);
  append('e');
  await turn();
  assert.equal(hub.channels.get('c')?.log.count, 0);
});

test('stream - a room event while it is not blocked only empties the addon', () => {
  const { open } = setUp();
  const sink = new FakeSink();
  open(sink).writable();
  assert.deepEqual([sink.writes, sink.corks], [[], 1]);
});

test('stream - knows the tick of its last write, whatever it was', async () => {
  const { hub, open, append, clock } = setUp();
  const sink = new FakeSink();
  clock.now = 5;
  const stream = open(sink);
  assert.equal(stream.writtenAt, 5 * TICKS_PER_SECOND);
  const writes = [
    () => stream.heartbeat(),
    () => append('a'),
    () => stream.notice(Buffer.from('x')),
    () => {
      sink.isFull = true;
      append('b');
    },
  ];
  for (const [i, write] of writes.entries()) {
    hub.flow.tick = 100 + i;
    write();
    await turn();
    assert.equal(stream.writtenAt, 100 + i, `${write}`);
  }
  hub.flow.tick = 200;
  append('for nobody', 'nobody');
  await turn();
  assert.equal(stream.writtenAt, 103);
});

test('stream - neither heartbeat nor system event goes into a blocked stream', async () => {
  const { open, append } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  append('a');
  await turn();
  stream.heartbeat();
  stream.heartbeat();
  stream.notice(Buffer.from('x'));
  assert.deepEqual(sink.writes, ['a']);
});

test('stream - a full heartbeat or system event blocks it', () => {
  const { hub, open } = setUp();
  for (const act of [
    (s: Stream) => s.notice(Buffer.from('x')),
    (s: Stream) => {
      s.heartbeat();
    },
  ]) {
    const sink = new FakeSink();
    const stream = open(sink);
    sink.isFull = true;
    act(stream);
    assert.equal(stream.state, StreamState.Blocked);
  }
  assert.equal(hub.flow.blockedStreams.size, 2);
});

test('stream - an end finishes the frame that was half written', async () => {
  const { hub, open, append, closed } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  const large = 'x'.repeat(MAX_WRITE_BYTES * 2);
  append(large);
  await turn();
  hub.end(stream, 'expired');
  assert.deepEqual([sink.text, sink.hasEnded, closed], [large, true, [[1, 'expired']]]);
});

test('stream - an end writes first what is due', () => {
  const { hub, open, append } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  append('a');
  hub.end(stream, 'drain');
  assert.deepEqual([sink.text, sink.hasEnded], [`a${NUDGE}`, true]);
});

test('stream - is over once: later ends, closes, aborts and writes do nothing', async () => {
  const { hub, open, append, closed } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  append('a');
  stream.aborted();
  stream.aborted();
  stream.close('error');
  hub.end(stream, 'drain');
  stream.writable();
  stream.heartbeat();
  stream.keepWaiting();
  await turn();
  assert.deepEqual(
    [sink.writes, sink.hasEnded, sink.hasClosed, closed],
    [[], false, false, [[1, 'left']]],
  );
  assert.deepEqual(
    [hub.streams.size, hub.channels.size],
    [0, 1],
    'the channel stays for its entry',
  );
});

test('stream - offers a few bytes while it waits, and goes on when they are taken', async () => {
  const { open, append } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  stream.keepWaiting();
  assert.equal(sink.corks, 0, 'only when blocked');
  sink.isFull = true;
  append('a');
  await turn();
  append('b');
  stream.keepWaiting();
  assert.equal(stream.state, StreamState.Blocked);
  sink.isFull = false;
  stream.keepWaiting();
  assert.equal(sink.text, `a${NUDGE}${NUDGE}${NUDGE}b${NUDGE}`);
});

test('stream - what it offers inside a frame is the next of that frame', async () => {
  const { open, append } = setUp();
  const sink = new FakeSink();
  const stream = open(sink);
  sink.isFull = true;
  const large = Buffer.alloc(MAX_WRITE_BYTES + 5, 'abcdefghij').toString();
  append(large);
  await turn();
  for (let i = 0; i < 3; i += 1) stream.keepWaiting();
  assert.deepEqual(
    sink.writes.slice(1).map((text) => text.length),
    [2, 2, 1],
  );
  sink.isFull = false;
  stream.keepWaiting();
  assert.equal(sink.text, `${large}${NUDGE}${NUDGE}`);
});

test('stream - a frame it is stuck inside counts in the budget, once for all that share it', async () => {
  const { hub, open, append } = setUp({ history: 1 });
  const large = 'x'.repeat(MAX_WRITE_BYTES + 10);
  const streams = [new FakeSink(), new FakeSink()].map((sink) => {
    sink.isFull = true;
    return { sink, stream: open(sink) };
  });
  append(large);
  await turn();
  append('b');
  await turn();
  const held = hub.retainedBytes;
  for (const { sink, stream } of streams) {
    sink.isFull = false;
    stream.writable();
  }
  assert.equal(held - hub.retainedBytes, large.length + ENTRY_OVERHEAD_BYTES);
});

test('stream - one stuck inside a frame gives way when the room is needed, the longest stuck first', async () => {
  const { hub, open, append, closed } = setUp({ history: 1 });
  const large = 'x'.repeat(3_000_000); // three of them and what comes next do not fit into 10 MB
  for (let i = 0; i < 3; i += 1) {
    const sink = new FakeSink();
    sink.isFull = true;
    open(sink, `u${i}`);
    append(large, `u${i}`);
    await turn();
  }
  assert.deepEqual(closed, []);
  append(large, 'nobody');
  assert.deepEqual(closed, [[1, 'stalled']]);
  assert.ok(hub.retainedBytes <= 10_000_000);
});
