/** What a node says of itself every two seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import { Heartbeat } from '../../../src/cluster/heartbeat.ts';
import { BEAT_MS, type Beat, Members, SILENT_MS } from '../../../src/cluster/members.ts';

test('heartbeat - a node that was away counts as the youngest, one that missed a beat does not', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 5_000 });
  const members = new Members('a', () => Date.now());
  const link = { isUp: true, connection: {} as NatsConnection };
  const sent: Beat[] = [];
  let take = (_data: Buffer) => {};
  Object.assign(link.connection, {
    isClosed: () => false,
    subscribe: (_: string, { callback }: { callback: (e: null, m: object) => void }) => {
      take = (data) => callback(null, { data });
    },
    publish: (_: string, text: string) => {
      sent.push(JSON.parse(text));
      take(Buffer.from(text));
    },
  });
  const heartbeat = new Heartbeat({
    ...{ link, members, onHeard: () => {}, onBeat: () => {} },
    facts: () => ({ tells: true, newest: 0 }),
    onFault: (error) => assert.fail(error),
  });
  heartbeat.start();
  t.mock.timers.tick(BEAT_MS);
  const startedAfter = (awayMs: number) => {
    link.isUp = false;
    t.mock.timers.tick(awayMs);
    link.isUp = true;
    t.mock.timers.tick(BEAT_MS);
    return sent.at(-1)!.started;
  };
  assert.equal(startedAfter(BEAT_MS / 2), 5_000);
  const back = startedAfter(SILENT_MS);
  assert.ok(back > 5_000 + SILENT_MS);
  for (let i = 0; i < 3; i += 1) t.mock.timers.tick(BEAT_MS);
  assert.equal(sent.at(-1)!.started, back);
  heartbeat.stop();
  assert.equal(sent.at(-1)!.isLast, true);
});
