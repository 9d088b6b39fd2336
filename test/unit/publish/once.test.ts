/** Events under keys, over a publisher that answers now or later, or fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidingsError } from '../../../src/errors.ts';
import { KeyMemory } from '../../../src/publish/key-memory.ts';
import { OncePublisher } from '../../../src/publish/once.ts';
import type { OutgoingEvent, Published, Publisher } from '../../../src/publish/publisher.ts';

const EPOCHS = [
  { epoch: 'old', head: 3 },
  { epoch: 'new', head: Number.POSITIVE_INFINITY },
];

/** Numbers from 1 on; `late`: answers when it is told to. */
class Numbering implements Publisher {
  readonly bodies: string[] = [];
  readonly waiting: (() => void)[] = [];
  isLate = false;
  fault: TidingsError | undefined;

  publish(event: OutgoingEvent): Published | Promise<Published> {
    return this.#answer(() => this.#number(event));
  }

  publishAll(events: readonly OutgoingEvent[]) {
    return this.#answer(() => events.map((event) => this.#number(event)));
  }

  #number({ body }: OutgoingEvent): Published {
    this.bodies.push(body);
    return { id: `new-${this.bodies.length + 3}`, streams: 2 };
  }

  #answer<T>(produce: () => T): T | Promise<T> {
    const { fault } = this;
    if (!this.isLate && fault !== undefined) throw fault;
    if (!this.isLate) return produce();
    return new Promise((resolve, reject) =>
      this.waiting.push(() => (fault === undefined ? resolve(produce()) : reject(fault))),
    );
  }
}

function start(isLate = false, budgetBytes = 1_000_000) {
  let now = 1_000_000;
  const memory = new KeyMemory({ seconds: 600, budgetBytes, now: () => now });
  now += 1_000;
  const numbering = new Numbering();
  numbering.isLate = isLate;
  return { numbering, memory, once: new OncePublisher(numbering, memory, EPOCHS) };
}

const event = (body: string, name?: string, line?: number): OutgoingEvent => ({
  to: 'ann',
  channels: ['news'],
  body,
  key: name === undefined ? undefined : { name, line },
});

const isMismatch = (error: unknown): boolean =>
  error instanceof TidingsError && error.code === 'IDEMPOTENCY_MISMATCH';

test('once - an event under a key is numbered once, and answers with its first id', () => {
  const { numbering, once } = start();
  assert.deepEqual(once.publish(event('a', 'k')), { id: 'new-4', streams: 2 });
  const duplicate = { id: 'new-4', streams: 0, duplicate: true };
  assert.deepEqual(once.publish(event('a', 'k')), duplicate);
  void once.publish(event('a'));
  void once.publish(event('a'));
  assert.deepEqual(once.publish(event('a', 'k')), duplicate);
  assert.deepEqual(numbering.bodies, ['a', 'a', 'a']);
});

test('once - the same key with anything else is a mismatch, and emits nothing', () => {
  const { numbering, once } = start();
  void once.publish(event('a', 'k'));
  for (const other of [
    event('b', 'k'),
    { ...event('a', 'k'), to: 'bob' },
    { ...event('a', 'k'), to: undefined },
    { ...event('a', 'k'), to: new Set(['ann', 'bob']) },
    { ...event('a', 'k'), channels: ['news', 'more'] },
    event('a', 'k', 1),
  ])
    assert.throws(() => once.publish(other), isMismatch);
  void once.publish(event('a', 'upload', 1));
  assert.throws(() => once.publish(event('a', 'upload')), isMismatch);
  assert.equal(numbering.bodies.length, 2);
});

test('once - lines are events of their own under one name', () => {
  const { numbering, once } = start();
  for (const line of [1, 2, 3]) void once.publish(event(`${line}`, 'u', line));
  for (const line of [1, 2, 3])
    assert.deepEqual(once.publish(event(`${line}`, 'u', line)), {
      id: `new-${line + 3}`,
      streams: 0,
      duplicate: true,
    });
  assert.throws(() => once.publish(event('x', 'u', 2)), isMismatch);
  assert.equal(numbering.bodies.length, 3);
});

test('once - what failed is not remembered', () => {
  const { numbering, once } = start();
  numbering.fault = new TidingsError('MEMORY_FULL', 'full');
  for (const line of [undefined, 1])
    assert.throws(() => once.publish(event('a', `k${line}`, line)), /full/);
  numbering.fault = undefined;
  for (const line of [undefined, 1]) {
    const { duplicate } = once.publish(event('b', `k${line}`, line)) as Published;
    assert.equal(duplicate, undefined);
  }
});

test('once - two at the same time are one event, also when the answer comes late', async () => {
  for (const line of [undefined, 5]) {
    const { numbering, once } = start(true);
    const both = [once.publish(event('a', 'k', line)), once.publish(event('a', 'k', line))];
    assert.equal(numbering.waiting.length, 1);
    assert.throws(() => once.publish(event('b', 'k', line)), isMismatch);
    numbering.waiting[0]!();
    const [first, second] = await Promise.all(both);
    assert.deepEqual(first, { id: 'new-4', streams: 2 });
    assert.deepEqual(second, { id: 'new-4', streams: 0, duplicate: true });
    assert.deepEqual(once.publish(event('a', 'k', line)), second);
  }
});

test('once - two at the same time that fail, fail both, and may be sent again', async () => {
  for (const line of [undefined, 5]) {
    const { numbering, once } = start(true);
    numbering.fault = new TidingsError('MEMORY_FULL', 'full');
    const both = [once.publish(event('a', 'k', line)), once.publish(event('a', 'k', line))];
    numbering.waiting[0]!();
    for (const one of await Promise.allSettled(both)) assert.equal(one.status, 'rejected');
    numbering.fault = undefined;
    const again = once.publish(event('a', 'k', line));
    numbering.waiting[1]!();
    assert.equal((await again).duplicate, undefined);
  }
});

test('once - of an array only what is new is numbered, and nothing of one with a mismatch', async () => {
  for (const isLate of [false, true]) {
    const { numbering, once } = start(isLate);
    const all = async (...events: OutgoingEvent[]) => {
      const published = once.publishAll(events);
      for (const answer of numbering.waiting.splice(0)) answer();
      return (await published).map(({ id, duplicate = false }) => [id, duplicate]);
    };
    const events = [event('a', 'k1'), event('b'), event('c', 'u', 3), event('a', 'k1')];
    assert.deepEqual(await all(...events), [
      ['new-4', false],
      ['new-5', false],
      ['new-6', false],
      ['new-4', true],
    ]);
    assert.deepEqual(await all(event('d', 'k2'), ...events), [
      ['new-7', false],
      ['new-4', true],
      ['new-8', false],
      ['new-6', true],
      ['new-4', true],
    ]);
    assert.deepEqual(await all(event('a', 'k1')), [['new-4', true]]);
    const before = numbering.bodies.length;
    await assert.rejects(() => all(event('e', 'k3'), event('x', 'k1')), isMismatch);
    await assert.rejects(() => all(event('e', 'k3'), event('x', 'k3')), isMismatch);
    assert.equal(numbering.bodies.length, before);
    assert.deepEqual(await all(event('e', 'k3')), [[`new-${before + 4}`, false]]);
  }
});

test('once - lines beyond what can be remembered are refused, not emitted without memory', () => {
  const { numbering, once } = start(false, 40_000);
  let taken = 0;
  const send = () => {
    for (let line = 1; line <= 20_000; line += 1) {
      void once.publish(event('a', 'u', line));
      taken = Math.max(taken, line);
    }
  };
  assert.throws(send, /UPLOAD_TOO_LONG|another/);
  assert.ok(taken > 1_000, `${taken}`);
  assert.throws(send, /another/);
  assert.equal(numbering.bodies.length, taken);
});

test('once - an id of an earlier epoch is told as it was given out', () => {
  const { memory, once } = start();
  const key = { key: 'k', isOld: false, n: 2 };
  void once.publish(event('a', 'x'));
  const { fingerprint } = memory.use('x') as { fingerprint: number };
  memory.restore({ ages: { young: 0, old: 0, known: 900 }, keys: [{ ...key, fingerprint }] });
  assert.deepEqual(once.publish(event('a', 'k')), { id: 'old-2', streams: 0, duplicate: true });
});
