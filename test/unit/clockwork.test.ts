import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clockwork } from '../../src/clockwork.ts';
import type { CloseReason } from '../../src/stream.ts';
import { FakeSink } from '../support/fake-sink.ts';
import { newHub } from '../support/hub.ts';

function setUp(expiresAt: number) {
  const clock = { now: 0 };
  const reasons: CloseReason[] = [];
  const hub = newHub({
    notices: true,
    onClosed: (_, reason) => reasons.push(reason),
    now: () => clock.now,
  });
  const clockwork = new Clockwork({ hub, heartbeatSeconds: 15, stallSeconds: 30 });
  const sink = new FakeSink();
  const stream = hub.open(sink, { user: 'ann', channels: ['c'], address: '', expiresAt });
  sink.writes.length = 0; // the opening
  return { clock, reasons, hub, clockwork, sink, stream };
}

test('expiry - announced once 30 s ahead, ended at exp', () => {
  const { clock, reasons, clockwork, sink, stream } = setUp(100);
  for (const now of [0, 69, 70, 70.5, 99.9]) {
    clock.now = now;
    clockwork.checkExpiry(stream);
  }
  assert.equal(sink.text, 'event: tidings.expiring\ndata: 30\nid: e-0\n\n:\n');
  clock.now = 100;
  clockwork.checkExpiry(stream);
  assert.deepEqual([sink.hasEnded, reasons], [true, ['expired']]);
});

test('expiry - a token that lasts longer than a timer can does not end at once', () => {
  const { clockwork, sink, stream } = setUp(60 * 86_400);
  clockwork.checkExpiry(stream);
  assert.deepEqual([sink.writes, sink.hasEnded], [[], false]);
});

test('expiry - a blocked stream is told when it can be told', () => {
  const { clock, clockwork, hub, sink, stream } = setUp(100);
  hub.blocked(stream);
  sink.isFull = true;
  stream.notice(Buffer.from('x')); // blocks it
  clock.now = 80;
  clockwork.checkExpiry(stream);
  sink.isFull = false;
  stream.writable();
  clockwork.checkExpiry(stream);
  assert.ok(sink.text.includes('tidings.expiring\ndata: 20\n'));
});

test('stall - a blocked stream is closed after its time, and kept waiting until then', async () => {
  const { clock, reasons, hub, clockwork, sink } = setUp(1_000);
  sink.isFull = true;
  hub.append({ n: 1, channels: ['c'], to: undefined, bytes: Buffer.from('a') });
  await new Promise((resolve) => setImmediate(resolve));
  for (clock.now = 1; clock.now < 30; clock.now += 1) clockwork.checkSlow();
  assert.deepEqual(reasons, []);
  assert.equal(sink.resumes, 8, 'times in 29 s');
  clockwork.checkSlow();
  assert.deepEqual([reasons, sink.hasClosed], [['stalled'], true]);
});
