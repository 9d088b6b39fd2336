/** Users, channels, clients and an emitter around one server, for tests that break something. */
import type { TestContext } from 'node:test';
import { freePort } from './free-ports.ts';
import type { Account, Receipt } from './ledger.ts';
import { audit } from './ledger-audit.ts';
import { LedgerClient, type LedgerClientOptions } from './ledger-client.ts';
import { Emitter, type Plan } from './ledger-emitter.ts';
import { OneServer, type Way } from './ledger-post.ts';
import { Random } from './prng.ts';
import type { SpawnedServer } from './spawn-server.ts';
import { takes } from './takes.ts';
import { randomTree, type Tree } from './tree.ts';
import { eventually } from './wait.ts';

const CHANNELS = Array.from({ length: 20 }, (_, i) => `channel-${i}`);

/** Further channels where there are prefixes: a tree of its own for each test. */
const BRANCH_COUNT = 15;

const NO_TREE: Tree = { names: [], prefixes: [] };

/** Channels of one client, and of one emit, at most. */
const MOST_CHANNELS = 4;

/** Sizes of events in bytes; the last needs several writes. Small ones are many. */
const SIZES = [1, 20, 200, 200, 200, 200, 600, 2_000, 18_000];

/** How long everything may take to arrive once nothing is broken any more, in milliseconds. */
const SETTLE_MS = 60_000;

export interface ClientChoices
  extends Pick<LedgerClientOptions, 'waitMs' | 'staysAway' | 'others'> {
  /** True: they begin without an id, with whatever comes from then on. */
  readonly isFresh?: boolean | undefined;
}

export interface WorldOptions {
  /** True: there is a random tree of channels besides, and clients name some by prefix. */
  readonly hasPrefixes?: boolean;
  /** How emits go; default: to the server, each once. */
  readonly way?: Way;
}

export class World {
  readonly random = new Random();
  readonly emitter: Emitter;
  readonly clients: LedgerClient[] = [];
  /** Of clients in other processes. */
  readonly otherReceipts: Receipt[] = [];
  /** The id after which all clients begin. */
  since = '';
  #users: string[] = [];
  readonly #t: TestContext;
  readonly #channels: readonly string[];
  /** What clients may name. */
  readonly #names: readonly string[];

  constructor(t: TestContext, server: SpawnedServer, options: WorldOptions = {}) {
    const { hasPrefixes = false, way = new OneServer(server.controlUrl) } = options;
    this.#t = t;
    const { names, prefixes } = hasPrefixes ? randomTree(this.random, BRANCH_COUNT) : NO_TREE;
    this.#channels = [...CHANNELS, ...names];
    // Something is to come to each of them.
    const isAbove = (prefix: string) => names.some((name) => takes([prefix], name));
    this.#names = [...this.#channels, ...prefixes.filter(isAbove)];
    this.emitter = new Emitter(way, this.random);
    t.diagnostic(`seed ${this.random.seed}`);
    t.after(() => {
      this.emitter.close();
      for (const client of this.clients) client.close();
    });
  }

  /** Some users have several clients; each client has channels of its own. */
  async describe(count: number): Promise<{ user: string; channels: string[] }[]> {
    if (this.since === '') this.since = await this.emitter.mark(['nobody']);
    const users = Array.from({ length: Math.ceil(count * 0.8) }, (_, i) => `user-${i}`);
    this.#users = [...new Set([...this.#users, ...users])];
    return Array.from({ length: count }, (_, i) => ({
      user: users[i] ?? this.random.pick(users),
      channels: this.random.some(this.#names, MOST_CHANNELS),
    }));
  }

  /** Adds clients and waits until their streams are open. */
  async join(
    url: string,
    count: number,
    { isFresh, ...choices }: ClientChoices = {},
  ): Promise<LedgerClient[]> {
    const people = await this.describe(count);
    const since = isFresh === true ? undefined : this.since;
    const joined = people.map((person) => new LedgerClient({ url, since, ...person, ...choices }));
    this.clients.push(...joined);
    await this.opened();
    return joined;
  }

  /** Waits until all streams are open, and all clients know where they began. */
  async opened(withinMs = 30_000): Promise<void> {
    const isThere = (client: LedgerClient) => client.isOpen && client.receipt.since !== undefined;
    await eventually(() => this.clients.every(isThere), {
      withinMs,
      what: 'all streams to be open',
    });
  }

  /** Waits until so many emits more have been acknowledged. */
  async moreAcked(count: number): Promise<void> {
    const goal = this.emitter.acked + count;
    await eventually(() => this.emitter.acked >= goal, {
      withinMs: 60_000,
      what: `${count} more emits to be acknowledged`,
    });
  }

  /** Broadcasts, events for one user and for several, on one channel or several. */
  readonly plan = (): Plan => {
    const { random } = this;
    const channels = random.some(this.#channels, random.below(4) === 0 ? MOST_CHANNELS : 1);
    const size = random.pick(SIZES);
    if (random.below(2) === 0) return { to: undefined, channels, size };
    return { to: random.some(this.#users, random.below(3) === 0 ? 20 : 1), channels, size };
  };

  /**
   * Waits until every client has had all there is: twice, so that what comes too much is seen.
   * Returns the id of the last event.
   */
  async settle(withinMs = SETTLE_MS): Promise<string> {
    await this.#markReaches(withinMs);
    return this.#markReaches(withinMs);
  }

  async #markReaches(withinMs: number): Promise<string> {
    const id = await this.emitter.mark(this.#channels);
    await eventually(() => this.clients.every((client) => client.lastId === id), {
      withinMs,
      what: `${id} to reach everybody (seed ${this.random.seed})`,
    });
    return id;
  }

  /** The books, which must be right; the sums are printed. */
  audit(): Account {
    const receipts = [...this.clients.map(({ receipt }) => receipt), ...this.otherReceipts];
    const account = audit(this.emitter.emitted, receipts, this.random.seed);
    this.#t.diagnostic(JSON.stringify(account));
    return account;
  }
}

/**
 * Arguments with which one server after the other takes the same addresses. They are asked for, not
 * chosen by the system: such a one cannot be taken again while closed connections linger on it.
 */
export const fixedAddresses = async (): Promise<string[]> => [
  '-bind',
  `127.0.0.1:${await freePort()}`,
  '-bindctl',
  `127.0.0.1:${await freePort()}`,
];
