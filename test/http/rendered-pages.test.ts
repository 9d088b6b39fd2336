/**
 * Pages that a backend renders while events happen. Each asks for the position, loads its state, gets a
 * token with `from` and connects, with other things happening in between; what it then knows must be all
 * there was, once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { post } from '../support/emitting.ts';
import { Random } from '../support/prng.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { bearer } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const PAGES = 1_000;
const AT_ONCE = 20;
const CHANNELS = ['a', 'b'];
const USERS = ['ann', 'bob', 'cid'];

interface Stored {
  readonly users: readonly string[];
  readonly channels: readonly string[];
  /** Its number; known when its emit is answered. */
  n: number;
}

interface Page {
  readonly user: string;
  readonly position: number;
  /** What the database held when the state was loaded. */
  readonly state: ReadonlySet<Stored>;
  readonly delivered: readonly number[];
  readonly last: number;
}

const numberOf = (id: string): number => Number(id.split('-')[1]);

class Backend {
  readonly database: Stored[] = [];
  readonly #server: RunningServer;
  readonly #random: Random;

  constructor(server: RunningServer, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  /** Stores, then emits. */
  async happen(users: readonly string[], channels: readonly string[]): Promise<Stored> {
    const stored = { users, channels, n: Number.POSITIVE_INFINITY };
    this.database.push(stored);
    await this.#pause();
    const body = { userId: users, channel: channels, data: 'x' };
    const { text } = await post(`${this.#server.controlUrl}/emit/`, body);
    stored.n = numberOf(JSON.parse(text).id);
    return stored;
  }

  async happenAtRandom(): Promise<void> {
    const users = this.#random.some([...USERS, 'nobody', '*'], 2);
    await this.happen(users, this.#random.some([...CHANNELS, 'other'], 2));
    await this.#pause();
  }

  async page(t: Owner): Promise<Page> {
    const user = this.#random.pick(USERS);
    const known = this.#random.pick([() => this.#ask(), () => this.#header(), () => undefined]);
    const from = (await known()) ?? 'now';
    // With `now` the token is made first and the state loaded behind it.
    const early = from === 'now' ? await this.#token(user, from) : undefined;
    await this.#pause();
    const state = new Set(this.database);
    await this.#pause();
    const token = early ?? (await this.#token(user, from));
    await this.#pause();
    const { eventsUrl } = this.#server;
    const stream = await openStream(t, eventsUrl, { headers: bearer(token) });
    await this.#pause();
    const position = numberOf(claimOf(token));
    const { n: last } = await this.happen(['*'], [this.#random.pick(CHANNELS)]);
    return { user, position, state, last, delivered: await numbersThrough(stream, last) };
  }

  async #ask(): Promise<string> {
    const response = await fetch(`${this.#server.controlUrl}/position/`);
    return ((await response.json()) as { id: string }).id;
  }

  async #header(): Promise<string> {
    const response = await fetch(`${this.#server.controlUrl}/nowhere`);
    await response.text();
    return response.headers.get('tidings-position')!;
  }

  async #token(userId: string, from: string): Promise<string> {
    const body = { userId, channel: CHANNELS, exp: 600, from };
    return (await post(`${this.#server.controlUrl}/token/`, body)).text;
  }

  async #pause(): Promise<void> {
    for (let turns = this.#random.below(12); turns > 0; turns -= 1) await turn();
  }
}

const claimOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).from;

async function numbersThrough(stream: SseClient, last: number): Promise<number[]> {
  const numbers = () =>
    stream.events.filter(({ event }) => event === undefined).map(({ id }) => numberOf(id!));
  await eventually(() => numbers().includes(last), { withinMs: 20_000, what: `event ${last}` });
  stream.close();
  const gaps = stream.events.filter(({ event }) => event === 'tidings.gap');
  assert.deepEqual(gaps, [], 'nothing was evicted');
  return numbers().filter((n) => n <= last);
}

const isFor = ({ users, channels }: Stored, user: string): boolean =>
  (users.includes('*') || users.includes(user)) && channels.some((name) => CHANNELS.includes(name));

function checkPage(page: Page, events: readonly Stored[], hint: string): void {
  const meant = events.filter((event) => isFor(event, page.user) && event.n <= page.last);
  const before = meant.filter(({ n }) => n <= page.position);
  const known = [...before.map(({ n }) => n), ...page.delivered];
  assert.deepEqual(
    known,
    meant.map(({ n }) => n),
    `before and behind the position, once and in order; ${hint}`,
  );
  assert.ok(
    before.every((event) => page.state.has(event)),
    `the state holds all before the position; ${hint}`,
  );
}

test('rendered pages - 1,000 of them, amid events: nothing missing, nothing twice', {
  timeout: 120_000,
}, async (t) => {
  const random = new Random();
  const server = await startServer(t, ['-history', '100000', '-log-level', 'error']);
  const backend = new Backend(server, random);
  const pages: Page[] = [];
  let begun = 0;
  const render = async () => {
    while (begun++ < PAGES) pages.push(await backend.page(t));
  };
  let isOver = false;
  const emit = async () => {
    while (!isOver) await backend.happenAtRandom();
  };
  const rendered = Promise.all(Array.from({ length: AT_ONCE }, render)).finally(() => {
    isOver = true;
  });
  await Promise.all([rendered, emit(), emit()]);
  const events = backend.database.toSorted((a, b) => a.n - b.n);
  for (const page of pages) checkPage(page, events, `TEST_SEED=${random.seed}`);
  assert.equal(pages.length, PAGES);
  // Otherwise nothing of what is tested has happened.
  const caughtUp = pages.filter(({ delivered }) => delivered.length > 1);
  assert.ok(caughtUp.length > PAGES / 10, `${caughtUp.length} pages had something to catch up`);
});
