/** Streams by prefix and by name over a random tree of channels, against a naive reading of the rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TidingsError } from '../../../src/errors.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { type Stream, StreamState } from '../../../src/hub/stream.ts';
import type { NewEntry } from '../../../src/log/entry.ts';
import { tickOf } from '../../../src/log/timetable.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, assertRetained, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';
import { takes } from '../../support/takes.ts';
import { randomTree } from '../../support/tree.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const USERS = ['ann', 'bob', 'eve'];
const STEPS = 6_000;
const CLIENTS = 12;
const TTL_SECONDS = 60;

interface Emit {
  readonly n: number;
  readonly to: ReadonlySet<string> | undefined;
  readonly channels: readonly string[];
}

class Client {
  readonly user: string;
  readonly channels: readonly string[];
  readonly got: number[] = [];
  readonly gaps: { after: number; through: number }[] = [];
  /** It begins behind this number. */
  since = 0;
  lastId: string | undefined;
  sink = new FakeSink();
  stream: Stream | undefined;

  constructor(user: string, channels: readonly string[]) {
    this.user = user;
    this.channels = channels;
  }

  open(hub: Hub): void {
    this.sink = new FakeSink();
    const { user, channels, lastId: lastEventId } = this;
    if (lastEventId === undefined) this.since = hub.head;
    this.stream = hub.open(this.sink, {
      user,
      channels,
      address: '',
      expiresAt: 1e9,
      lastEventId,
    });
  }

  /** Only whole frames count, as in a browser. */
  cut(): void {
    if (this.stream === undefined) return;
    this.stream.aborted();
    this.stream = undefined;
    for (const frame of this.sink.text.split('\n\n').slice(0, -1)) {
      const id = /^id: (.*)$/m.exec(frame)?.[1];
      const gap = /"after":"e-(\d+)","resumed":"e-(\d+)"/.exec(frame);
      const data = /^data: (\d+)$/m.exec(frame)?.[1];
      if (gap !== null) this.gaps.push({ after: Number(gap[1]), through: Number(gap[2]) });
      else if (data !== undefined) this.got.push(Number(data));
      if (id !== undefined) this.lastId = id;
    }
  }

  isMeant({ to, channels }: Emit): boolean {
    const isTaken = channels.some((channel) => takes(this.channels, channel));
    return isTaken && (to === undefined || to.has(this.user));
  }

  /** @throws where what it got and was told is not the truth */
  check(emits: readonly Emit[], isExact: boolean): void {
    const due = emits.filter((emit) => emit.n > this.since && this.isMeant(emit));
    const got = new Set(this.got);
    assert.equal(got.size, this.got.length, 'something came twice');
    assert.deepEqual(
      this.got,
      [...this.got].sort((a, b) => a - b),
    );
    const missing = due.map(({ n }) => n).filter((n) => !got.has(n));
    const isIn = (n: number) => (gap: { after: number; through: number }) =>
      gap.after < n && n <= gap.through;
    for (const n of missing)
      assert.ok(this.gaps.some(isIn(n)), `${n} is missing, and nobody said so`);
    for (const gap of this.gaps)
      assert.ok(
        !isExact || missing.some((n) => isIn(n)(gap)),
        `told of a gap ${gap.after} to ${gap.through}, but nothing is missing there`,
      );
    const numbers = new Set(due.map(({ n }) => n));
    for (const n of this.got) assert.ok(numbers.has(n), `${n} was not for it`);
  }
}

interface Limits {
  readonly capacity: number;
  readonly budgetBytes: number;
  /** How much time may pass at once, in seconds. */
  readonly leap: number;
  /** The memory of what was evicted is large enough for all of it. */
  readonly isExact: boolean;
  /** Until everything that is due has been done. */
  readonly lastTurns: number;
}

class Model {
  readonly random = new Random();
  readonly #limits: Limits;
  readonly #tree = randomTree(this.random, 40);
  readonly #clients: Client[];
  readonly #emits: Emit[] = [];
  #now = 0;
  #hub: Hub;
  #n = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#hub = this.#newHub();
    const { names, prefixes } = this.#tree;
    this.#clients = Array.from({ length: CLIENTS }, () => {
      const some = this.random.below(3) === 0 ? this.random.some(names, 2) : [];
      return new Client(this.random.pick(USERS), [...this.random.some(prefixes, 2), ...some]);
    });
  }

  #newHub(): Hub {
    const { capacity, budgetBytes } = this.#limits;
    return newHub({
      notices: true,
      now: () => this.#now,
      retention: { capacity, budgetBytes, ttlSeconds: TTL_SECONDS },
    });
  }

  async run(): Promise<Client[]> {
    for (let step = 0; step < STEPS; step += 1) {
      await this.#step();
      if (step % 50 === 0) assertRetained(this.#hub);
    }
    for (const client of this.#clients) {
      if (client.stream === undefined) client.open(this.#hub);
      this.#unblock(client);
    }
    for (let i = 0; i < this.#limits.lastTurns; i += 1) await turn();
    for (const client of this.#clients) client.cut();
    for (const client of this.#clients) client.check(this.#emits, this.#limits.isExact);
    return this.#clients;
  }

  async #step(): Promise<void> {
    const { random } = this;
    const client = random.pick(this.#clients);
    const kind = random.below(100);
    if (kind < 55) this.#emit();
    else if (kind < 65) await turn();
    else if (kind < 77) {
      if (client.stream === undefined) client.open(this.#hub);
    } else if (kind < 85) client.cut();
    else if (kind < 90) client.sink.isFull = true;
    else if (kind < 96) this.#unblock(client);
    else if (kind < 99) this.#wait();
    else if (random.below(5) === 0) await this.#restart();
  }

  #emit(): void {
    const { random } = this;
    const channels = random.some(this.#tree.names, random.below(3) === 0 ? 3 : 1);
    const to = random.below(2) === 0 ? undefined : new Set(random.some(USERS, 2));
    this.#n += 1;
    const emit = { n: this.#n, to, channels };
    const bytes = Buffer.from(`data: ${this.#n}\nid: e-${this.#n}\n\n`);
    const streams = this.#append({ ...emit, bytes });
    if (streams === undefined) return;
    this.#emits.push(emit);
    const expected = this.#clients.filter(
      (client) => client.stream !== undefined && client.isMeant(emit),
    );
    assert.equal(streams, expected.length, 'streams in the answer');
  }

  /** Undefined when there is no room. */
  #append(entry: NewEntry): number | undefined {
    try {
      return append(this.#hub, entry);
    } catch (error) {
      assert.equal((error as TidingsError).code, 'MEMORY_FULL');
      return undefined;
    }
  }

  #unblock(client: Client): void {
    client.sink.isFull = false;
    if (client.stream?.state === StreamState.Blocked) client.stream.writable();
  }

  #wait(): void {
    this.#now += this.random.next() * this.#limits.leap;
    const { aging } = this.#hub;
    for (let channel = aging.take(tickOf(this.#now)); channel !== undefined; ) {
      this.#hub.expire(channel);
      channel = aging.take(tickOf(this.#now));
    }
  }

  /** All streams end; the log goes on as a snapshot does. */
  async #restart(): Promise<void> {
    for (const client of this.#clients) client.cut();
    await turn();
    const { evictions, entries, ...dump } = this.#hub.dump();
    const plain = structuredClone({ ...dump, evictions: [...evictions], entries: [...entries] });
    this.#hub = this.#newHub();
    this.#hub.restore(plain);
    assertRetained(this.#hub);
  }
}

const PLENTY = { capacity: 100_000, budgetBytes: 50_000_000, leap: 0, isExact: true, lastTurns: 5 };
const CASES: Record<string, Limits> = {
  'a long history': PLENTY,
  'a short history': { ...PLENTY, capacity: 5 },
  'no history': { ...PLENTY, capacity: 0 },
  'a short time to live': { ...PLENTY, leap: 40 },
  'little memory': { ...PLENTY, budgetBytes: 150_000, leap: 5, isExact: false },
};

/** With a clock on which everything takes long: a turn of the loop is one step of a fill, and one stream that is behind. */
const PACES = { 'at once': false, 'step by step': true };

for (const [name, limits] of Object.entries(CASES))
  for (const [pace, isSlow] of Object.entries(PACES))
    test(`prefix - ${name}, ${pace}: each stream gets what is below its prefixes, once, or is told that it cannot`, async (t) => {
      let clock = 0;
      if (isSlow)
        t.mock.method(performance, 'now', () => {
          clock += 10;
          return clock;
        });
      const model = new Model(isSlow ? { ...limits, lastTurns: 500 } : limits);
      t.diagnostic(`seed ${model.random.seed}`);
      const clients = await model.run();
      const gaps = clients.reduce((sum, client) => sum + client.gaps.length, 0);
      assert.ok(clients.some(({ got }) => got.length > 100));
      if (name === 'a long history') assert.equal(gaps, 0);
      else assert.ok(gaps > 0, 'nobody missed anything: the model tests nothing');
    });
