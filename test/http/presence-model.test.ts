/**
 * Who is there against a model, while streams come, are cut with a word or without one, and come back:
 * states, what an emit says of who is offline, receipts, and webhooks.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Member, numberOf } from '../support/crowd.ts';
import { post } from '../support/emitting.ts';
import { Random } from '../support/prng.ts';
import { type RunningServer, startServer, statsOf } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { type Receiver, WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

/** Two of three are a connect. Some, for a change; `PRESENCE_STEPS=20000` makes 10,000 connects. */
const STEPS = Number(process.env['PRESENCE_STEPS'] ?? 900);
/** Streams that come in so many steps open together. */
const STEPS_TOGETHER = 30;
const MAX_STREAMS = 12;
/** Each costs what the kernel takes for it. */
const MAX_SILENT = 60;
const USERS = Array.from({ length: 30 }, (_, i) => `u${i}`);
/** Of whom the server never hears. */
const STRANGERS = ['s0', 's1'];
const ALL = [...USERS, ...STRANGERS];

/** Of one event; the kernel takes some of them for a peer that reads nothing. */
const EVENT_BYTES = 1_000_000;

/** What a receipt waits for, in seconds. */
const WITHIN = 1;

const LATE = { withinMs: 20_000 };

/** Streams of one user, as the user knows them. */
class Person {
  readonly name: string;
  /** Not seen to be open yet. */
  readonly opening: Member[] = [];
  readonly reading: Member[] = [];
  /** Cut without a word: the connection is there, and nobody reads from it. */
  readonly silent: Member[] = [];
  hasBeenHere = false;

  constructor(name: string) {
    this.name = name;
  }
}

class Model {
  readonly people = USERS.map((name) => new Person(name));
  readonly random: Random;
  connectCount = 0;
  readonly #running: RunningServer;
  readonly #owner: Owner;

  constructor(t: Owner, running: RunningServer, random: Random) {
    this.#owner = t;
    this.#running = running;
    this.random = random;
  }

  /** Many of: another stream, a close, a reset, silence. */
  async run(): Promise<void> {
    for (let i = 0; i < STEPS; i += 1) {
      this.#step();
      if (i % STEPS_TOGETHER === 0) await this.settle();
    }
    await this.settle();
  }

  #step(): void {
    const person = this.random.pick(this.people);
    const { opening, reading, silent } = person;
    const isFull = opening.length + reading.length + silent.length >= MAX_STREAMS;
    if (!isFull && this.random.next() < 0.65) return this.connect(person);
    const member = reading.pop();
    if (member === undefined) return;
    const how = this.random.below(8);
    if (how === 0 && this.silentCount < MAX_SILENT) {
      member.pause();
      silent.push(member);
    } else if (how % 2 === 0) member.close();
    else member.reset();
  }

  connect({ name, opening }: Person): void {
    const member = new Member(this.#running.publicUrl, { token: tokenFor(name) });
    this.#owner.after(() => member.close());
    opening.push(member);
    this.connectCount += 1;
  }

  /** Waits until all are open that were to open. */
  async settle(): Promise<void> {
    for (const person of this.people) {
      const some = person.opening.splice(0);
      if (some.length === 0) continue;
      await eventually(() => some.every(({ isOpen }) => isOpen), { what: 'streams to open' });
      person.reading.push(...some);
      person.hasBeenHere = true;
    }
  }

  get readingCount(): number {
    return this.people.reduce((sum, { reading }) => sum + reading.length, 0);
  }

  get silentCount(): number {
    return this.people.reduce((sum, { silent }) => sum + silent.length, 0);
  }

  names(which: (person: Person) => boolean): string[] {
    return this.people.filter(which).map(({ name }) => name);
  }

  /** Those without a stream that reads: nothing gets to them now. */
  get unreachable(): string[] {
    return [...this.names(({ reading }) => reading.length === 0), ...STRANGERS].sort();
  }

  /** Cuts off two thirds of the users, so that there are some of every kind. */
  leaveSome(): void {
    for (const { reading } of this.people.filter((_, i) => i % 3 !== 0))
      for (const member of reading.splice(0)) member.close();
  }
}

async function emit({ controlUrl }: RunningServer, event: object) {
  const { text, status } = await post(`${controlUrl}/emit/`, { channel: 'news', ...event });
  assert.equal(status, 200, text);
  return JSON.parse(text) as { id: string; offline?: string[] };
}

const statesOf = async ({ controlUrl }: RunningServer) =>
  (await (await fetch(`${controlUrl}/users/?ids=${ALL}`)).json()) as Record<string, string>;

/** Waits until the server has seen each clean cut, and none of the silent ones. */
const seen = (model: Model, { server }: RunningServer) =>
  eventually(
    async () => (await statsOf(server)).streams === model.readingCount + model.silentCount,
    { ...LATE, what: `the cuts to be seen (seed ${model.random.seed})` },
  );

/** Emits until nobody who is silent takes any more of it, and all others have read it. */
async function fill(model: Model, running: RunningServer): Promise<void> {
  const userId = model.names(({ silent }) => silent.length > 0);
  const count = model.silentCount;
  let newest = Number.NaN;
  const isFull = async () => {
    const { streams, blockedStreams } = await statsOf(running.server);
    return blockedStreams === count || streams < count + model.readingCount;
  };
  await eventually(
    async () => {
      newest = numberOf((await emit(running, { userId, data: 'x'.repeat(EVENT_BYTES) })).id);
      return isFull();
    },
    { ...LATE, what: `${count} silent streams to be blocked` },
  );
  // On a busy machine that takes longer than a receipt waits.
  const readers = model.people.flatMap(({ silent, reading }) => (silent.length > 0 ? reading : []));
  await eventually(() => readers.every(({ numbers }) => numbers.at(-1) === newest), {
    ...LATE,
    what: 'the others to read it all',
  });
}

const undelivered = ({ told }: Receiver, id: string) =>
  told.find(({ type, data }) => type === 'event.undelivered' && data['id'] === id);

/** Emits to everybody, and asserts who is said to be offline now and not to have had it in the end. */
async function assertMissed(
  running: RunningServer,
  receiver: Receiver,
  expected: { offline: readonly string[]; missed: readonly string[] },
): Promise<void> {
  const receipt = { within: WITHIN };
  const { id, offline } = await emit(running, { userId: ALL, data: 'x', receipt });
  assert.deepEqual(offline?.sort(), expected.offline);
  const told = await eventually(() => undelivered(receiver, id), { ...LATE, what: 'a receipt' });
  assert.deepEqual((told!.data['users'] as string[]).sort(), expected.missed);
}

async function assertStates(
  running: RunningServer,
  model: Model,
  gone: 'away' | 'offline',
): Promise<void> {
  const expected = Object.fromEntries([
    ...model.people.map(({ name, reading, hasBeenHere }) => [
      name,
      reading.length > 0 ? 'online' : hasBeenHere ? gone : 'offline',
    ]),
    ...STRANGERS.map((name) => [name, 'offline']),
  ]);
  let states: Record<string, string> = {};
  await eventually(async () => {
    states = await statesOf(running);
    return ALL.every((name) => states[name] === expected[name]);
  }, LATE).catch(() => assert.deepEqual(states, expected));
}

/** A server, and everybody after many random steps; who is silent takes nothing more. */
async function setUp(t: TestContext, flags: readonly string[]) {
  const receiver = await webhookReceiver(t);
  const webhook = ['-webhook', receiver.url, '-webhook-secret', WEBHOOK_SECRETS[0]!];
  const args = ['-heartbeat', '1', '-max-body', '2000000', ...webhook, ...flags];
  const running = await startServer(t, args);
  const model = new Model(t, running, new Random());
  await model.run();
  t.diagnostic(`${model.connectCount} connects, seed ${model.random.seed}`);
  model.leaveSome();
  assert.ok(model.silentCount > 10, `${model.silentCount}, seed ${model.random.seed}`);
  await seen(model, running);
  return { receiver, running, model };
}

const changesOf = ({ told }: Receiver, name: string): string =>
  told
    .filter(({ type, data }) => type.startsWith('user.') && data['userId'] === name)
    .map(({ type }) => (type === 'user.online' ? '+' : '-'))
    .join('');

test('presence model - streams cut with and without a word: silence counts as online until -stall, and gets nothing', {
  timeout: 120_000 + STEPS * 10,
}, async (t) => {
  const { receiver, running, model } = await setUp(t, ['-grace', '3600', '-stall', '2']);
  const strangers = [...model.names(({ hasBeenHere }) => !hasBeenHere), ...STRANGERS].sort();
  // Nobody can know yet that they are gone.
  const states = await statesOf(running);
  for (const name of model.names(({ silent }) => silent.length > 0))
    assert.equal(states[name], 'online', name);
  await fill(model, running);
  await assertMissed(running, receiver, { offline: strangers, missed: model.unreachable });

  // The server notices by itself.
  for (const { silent } of model.people) silent.length = 0;
  await seen(model, running);
  await assertStates(running, model, 'away');

  for (const person of model.people.filter((_, i) => i % 2 === 0)) model.connect(person);
  await model.settle();
  await assertStates(running, model, 'away');
  const later = [...model.names(({ hasBeenHere }) => !hasBeenHere), ...STRANGERS].sort();
  await assertMissed(running, receiver, { offline: later, missed: model.unreachable });
  for (const { name, hasBeenHere } of model.people)
    assert.equal(changesOf(receiver, name), hasBeenHere ? '+' : '', `${name}: away tells nobody`);
  assert.deepEqual(receiver.faults, []);
});

test('presence model - after the grace all who were cut are offline, whichever way, and are told so once', {
  timeout: 120_000 + STEPS * 10,
}, async (t) => {
  const { receiver, running, model } = await setUp(t, ['-grace', '1', '-stall', '1']);
  await fill(model, running);
  for (const { silent } of model.people) silent.length = 0;
  await seen(model, running);
  await assertStates(running, model, 'offline');
  const { unreachable } = model;
  await assertMissed(running, receiver, { offline: unreachable, missed: unreachable });
  for (const { name, hasBeenHere, reading } of model.people) {
    const changes = changesOf(receiver, name);
    assert.match(changes, /^(\+-)*\+?$/, name);
    const last = reading.length > 0 ? '+' : hasBeenHere ? '-' : undefined;
    assert.equal(changes.at(-1), last, `${name}: ${changes}`);
  }
});
