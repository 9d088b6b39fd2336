/** An array of events that cannot all be sent: none of them is. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import { createLogger } from '../../../src/logger.ts';
import { Complaints } from '../../../src/nats/complaints.ts';
import { Emitter, MAX_PENDING } from '../../../src/nats/emitter.ts';
import type { OutgoingEvent } from '../../../src/publish/publisher.ts';

const MAX_PAYLOAD = 1_000;

const event = (body = 'data: x'): OutgoingEvent =>
  ({ to: undefined, channels: ['news'], body }) as OutgoingEvent;

const events = (count: number): OutgoingEvent[] => Array.from({ length: count }, () => event());

/** An emitter whose events come nowhere, and how many it has sent. */
function setUp(t: TestContext) {
  let sent = 0;
  const connection = {
    info: { max_payload: MAX_PAYLOAD },
    subscribe: () => {},
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
  return { emitter, sent: () => sent };
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
