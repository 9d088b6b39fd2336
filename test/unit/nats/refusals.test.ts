/** What NATS refuses is not silent, and does not fill the log either. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Msg } from '@nats-io/transport-node';
import { createLogger } from '../../../src/logger.ts';
import { parseAck } from '../../../src/nats/ack.ts';
import { Complaints } from '../../../src/nats/complaints.ts';

const messageOf = (text: string): Msg =>
  ({ data: Buffer.from(text), string: () => text }) as unknown as Msg;

test('ack - a number, a number that was there before, or why it was not stored', () => {
  assert.deepEqual(parseAck(messageOf('{"stream":"S","seq":7}')), { n: 7, isDuplicate: false });
  assert.deepEqual(parseAck(messageOf('{"stream":"S","seq":7,"duplicate":true}')), {
    n: 7,
    isDuplicate: true,
  });
  const refused = '{"error":{"code":400,"err_code":10054,"description":"too large"},"stream":"S"}';
  assert.deepEqual(parseAck(messageOf(refused)), { n: undefined, reason: 'too large' });
});

test('ack - that nobody leads the stream now is no refusal; what is not JetStream is one', () => {
  const unavailable = '{"error":{"code":503,"err_code":10008,"description":"unavailable"}}';
  for (const text of ['', unavailable])
    assert.deepEqual(parseAck(messageOf(text)), { n: undefined, reason: undefined });
  for (const text of ['{}', 'ok', '[]', '{"seq":0}', '{"seq":"7"}', '{"error":1}'])
    assert.deepEqual(parseAck(messageOf(text)), {
      n: undefined,
      reason: 'it is not JetStream that answers',
    });
});

test('complaints - each kind once a minute, whatever the name in it', () => {
  const lines: string[] = [];
  let now = 0;
  const logger = createLogger('info', { write: (line) => lines.push(line) });
  const complaints = new Complaints(logger, () => now);
  const reasons = () => lines.map((line) => (JSON.parse(line) as { reason: string }).reason);

  complaints.tell('may not publish to "tidings.e.c.a"');
  complaints.tell('may not publish to "tidings.e.c.b"');
  complaints.tell('too large');
  assert.deepEqual(reasons(), ['may not publish to "tidings.e.c.a"', 'too large']);
  now = 60_000;
  complaints.tell('may not publish to "tidings.e.c.c"');
  assert.equal(reasons().at(-1), 'may not publish to "tidings.e.c.c"');
  for (let i = 0; i < 1_000; i += 1) complaints.tell(`kind ${i}`);
  complaints.tell('too large');
  assert.equal(reasons().at(-1), 'too large', 'so many kinds are not remembered');
});
