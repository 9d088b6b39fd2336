/** What is known of an emit that is on its way, and what is refused before. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { createLogger } from '../../../src/logger.ts';
import { Complaints } from '../../../src/nats/complaints.ts';
import { Emitter, MAX_PENDING } from '../../../src/nats/emitter.ts';
import type { EventRecord } from '../../../src/nats/event-record.ts';
import { keyedId } from '../../../src/nats/first-of-key.ts';
import type { OutgoingEvent } from '../../../src/publish/publisher.ts';

const MAX_PAYLOAD = 1_000;

const event = (body = 'data: x'): OutgoingEvent =>
  ({ to: undefined, channels: ['news'], body }) as OutgoingEvent;

const events = (count: number): OutgoingEvent[] => Array.from({ length: count }, () => event());

/** An emitter whose events come nowhere, and how many it has sent. */
function setUp(t: TestContext) {
  let sent = 0;
  let refuse = () => {};
  const connection = {
    info: { max_payload: MAX_PAYLOAD },
    subscribe: (inbox: string, { callback }: { callback: (error: null, message: Msg) => void }) => {
      const message = { subject: inbox.replace('*', '1'), data: Buffer.alloc(0) };
      refuse = () => callback(null, message as unknown as Msg);
    },
    publish: () => {
      sent += 1;
    },
  } as unknown as NatsConnection;
  const emitter = new Emitter({
    link: { connection, isUp: true },
    complaints: new Complaints(createLogger('silent', { write: () => {} })),
    ...{ epoch: 'e', origin: 'o' },
    stored: () => Promise.resolve(undefined),
    store: () => ({ admit: () => {} }) as never,
    through: () => 0,
  });
  t.after(() => emitter.close());
  return { emitter, sent: () => sent, refuse: () => refuse() };
}

test('emitter - an array that there is no room for is refused whole', async (t) => {
  const { emitter, sent } = setUp(t);
  const one = emitter.publish(event());
  assert.throws(() => emitter.publishAll(events(MAX_PENDING)), { code: 'BACKPLANE_BUSY' });
  assert.equal(sent(), 1);
  const rest = emitter.publishAll(events(MAX_PENDING - 1));
  assert.equal(sent(), MAX_PENDING);
  assert.throws(() => emitter.publish(event()), { code: 'BACKPLANE_BUSY' });
  emitter.close();
  await assert.rejects(one, { code: 'OUTCOME_UNKNOWN' });
  await assert.rejects(rest, { code: 'OUTCOME_UNKNOWN' });
});

test('emitter - an array with an event that NATS does not take is refused whole', (t) => {
  const { emitter, sent } = setUp(t);
  const large = event('x'.repeat(MAX_PAYLOAD));
  assert.throws(() => emitter.publishAll([event(), large, event()]), { code: 'EVENT_TOO_LARGE' });
  assert.throws(() => emitter.publish(large), { code: 'EVENT_TOO_LARGE' });
  assert.equal(sent(), 0);
});

test('emitter - refused by every server that was asked it is not stored; one that said nothing may have it', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let clock = 0;
  t.mock.method(performance, 'now', () => clock);
  for (const [waitMs, code] of [
    [0, 'BACKPLANE_DOWN'],
    [600, 'OUTCOME_UNKNOWN'],
  ] as const) {
    const { emitter, sent, refuse } = setUp(t);
    const answer = emitter.publish(event());
    clock += waitMs;
    t.mock.timers.tick(waitMs);
    assert.equal(sent(), waitMs === 0 ? 1 : 2, 'sent again');
    refuse();
    emitter.close();
    await assert.rejects(answer, { code });
  }
});

test('emitter - an event of another node is not taken for its own', async (t) => {
  const { emitter } = setUp(t);
  const answer = emitter.publish(event());
  const record = { ...event(), ticket: 1 };
  emitter.came({ ...record, origin: 'other' } as EventRecord, 7, () => 0);
  emitter.came({ ...record, origin: 'o' } as EventRecord, 8, () => 2);
  assert.deepEqual(await answer, { id: 'e-8', streams: 2 });
});

test('keys - of the same channels in any order, and of nothing else', () => {
  const id = (channels: string[], name: string, line?: number) => keyedId(channels, { name, line });
  assert.equal(id(['a', 'b'], 'k'), id(['b', 'a'], 'k'));
  const all = [
    id(['a'], 'k'),
    id(['a', 'k'], '1'),
    id(['a'], 'k', 1),
    id(['a'], 'k1'),
    id(['ak'], '1'),
  ];
  assert.equal(new Set(all).size, all.length);
});
