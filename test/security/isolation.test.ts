/**
 * Nobody gets what is meant for somebody else: random emits from a seeded generator, compared with
 * what a naive reading of the rules says each stream should have.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { EVERYONE } from '../../src/auth/names.ts';
import type { Sink } from '../../src/hub/stream.ts';
import { post } from '../support/emitting.ts';
import { append, newHub } from '../support/hub.ts';
import { Random } from '../support/prng.ts';
import { startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const USERS = Array.from({ length: 50 }, (_, i) => `user${i}`);
const CHANNELS = Array.from({ length: 20 }, (_, i) => `channel${i}`);

interface Subscriber {
  readonly user: string;
  readonly channels: readonly string[];
  /** Numbers of the events it should have, in order. */
  readonly expected: number[];
}

interface Emit {
  readonly users: readonly string[];
  readonly channels: readonly string[];
}

const randomEmit = (random: Random): Emit => ({
  users: random.next() < 0.3 ? [EVERYONE] : random.some(USERS, 4),
  channels: random.some(CHANNELS, 3),
});

const isMeantFor = ({ user, channels }: Subscriber, emit: Emit): boolean =>
  (emit.users.includes(EVERYONE) || emit.users.includes(user)) &&
  emit.channels.some((name) => channels.includes(name));

const subscribers = (random: Random, count: number): Subscriber[] =>
  Array.from({ length: count }, (_, i) => ({
    user: USERS[i % USERS.length]!,
    channels: random.some(CHANNELS, 5),
    expected: [],
  }));

/** Takes whole frames `<number>\n` and keeps the numbers; blocks now and then, as sockets do. */
class CountingSink implements Sink {
  readonly received: number[] = [];
  isFull = false;
  cork(fn: () => void): void {
    fn();
  }
  write(bytes: Uint8Array): boolean {
    for (const line of Buffer.from(bytes).toString('latin1').split('\n'))
      if (line !== '' && line !== ':') this.received.push(Number(line));
    return !this.isFull;
  }
  end(): void {}
  close(): void {}
  pause(): void {}
  resume(): void {}
}

const WANTED_DELIVERIES = 1_000_000;

test('X-24 isolation - a million deliveries in the hub, with streams that block: each its own, in order', async () => {
  const random = new Random();
  const note = `TEST_SEED=${random.seed}`;
  const retention = { capacity: 100_000, ttlSeconds: 3_600, budgetBytes: 2 ** 31 };
  const hub = newHub({ retention });
  const all = subscribers(random, 200).map((subscriber) => {
    const { user, channels } = subscriber;
    const sink = new CountingSink();
    const options = { user, channels, address: '', expiresAt: Number.POSITIVE_INFINITY };
    return { subscriber, sink, stream: hub.open(sink, options) };
  });
  let deliveries = 0;
  for (let n = 1; deliveries < WANTED_DELIVERIES; n += 1) {
    const emit = randomEmit(random);
    const to = emit.users.includes(EVERYONE) ? undefined : new Set(emit.users);
    const count = append(hub, { n, channels: emit.channels, to, bytes: Buffer.from(`${n}\n`) });
    const meant = all.filter(({ subscriber }) => isMeantFor(subscriber, emit));
    assert.equal(count, meant.length, note);
    for (const { subscriber } of meant) subscriber.expected.push(n);
    deliveries += meant.length;
    if (random.next() < 0.2) await turn();
    const { sink, stream } = random.pick(all);
    sink.isFull = random.next() < 0.3;
    if (!sink.isFull) stream.writable();
  }
  for (const { sink } of all) sink.isFull = false;
  for (const { stream } of all) stream.writable();
  for (let i = 0; i < 1_000; i += 1) await turn();
  for (const { subscriber, sink } of all)
    assert.deepEqual(sink.received, subscriber.expected, `${note} ${subscriber.user}`);
  for (const { stream } of all) stream.close('error');
  assert.equal(hub.streams.size, 0);
});

const STREAMS = 100;
const WANTED_OVER_SOCKETS = 100_000;
const EMITS_AT_ONCE = 32;

test('X-24 isolation - 100,000 deliveries over sockets, forms and JSON: each its own, in order', async (t) => {
  const random = new Random();
  const note = `TEST_SEED=${random.seed}`;
  const running = await startServer(t, ['-history', '100000', '-log-level', 'warn']);
  const all = await Promise.all(
    subscribers(random, STREAMS).map(async (subscriber) => {
      const headers = bearer(tokenFor(subscriber.user, subscriber.channels));
      return { subscriber, client: await openStream(t, running.eventsUrl, { headers }) };
    }),
  );
  const emits = new Map<number, Emit>();
  let deliveries = 0;
  while (deliveries < WANTED_OVER_SOCKETS) {
    const batch = Array.from({ length: EMITS_AT_ONCE }, async () => {
      const emit = randomEmit(random);
      const reply = await post(`${running.controlUrl}/emit/`, bodyOf(emit, random));
      const { id, streams } = JSON.parse(reply.text) as { id: string; streams: number };
      emits.set(Number(id.split('-')[1]), emit);
      deliveries += streams;
    });
    await Promise.all(batch);
  }
  for (const [n, emit] of [...emits].sort(([a], [b]) => a - b))
    for (const { subscriber } of all) if (isMeantFor(subscriber, emit)) subscriber.expected.push(n);
  const wanted = all.reduce((sum, { subscriber }) => sum + subscriber.expected.length, 0);
  assert.equal(deliveries, wanted, note);
  await eventually(
    () => all.every(({ client, subscriber }) => client.events.length >= subscriber.expected.length),
    { withinMs: 30_000, what: `all events, ${note}` },
  );
  for (const { client, subscriber } of all) {
    const numbers = client.events.map((event) => Number(event.id?.split('-')[1]));
    assert.deepEqual(numbers, subscriber.expected, `${note} ${subscriber.user}`);
    for (const event of client.events) assertOwn(subscriber, event.data, note);
  }
});

// What was sent says itself for whom it was.
function bodyOf(emit: Emit, random: Random): URLSearchParams | object {
  const data = JSON.stringify(emit);
  if (random.next() < 0.5) return { userId: emit.users, channel: emit.channels, data };
  const form = new URLSearchParams({ payload: `data: ${data}` });
  for (const user of emit.users) form.append('userId', user);
  for (const channel of emit.channels) form.append('channel', channel);
  return form;
}

function assertOwn(subscriber: Subscriber, data: string, note: string): void {
  const emit = JSON.parse(data) as Emit;
  assert.ok(isMeantFor(subscriber, emit), `${note} ${subscriber.user} got ${data}`);
}
