/** What every client library must see, whatever it is; each test file runs these with its adapter. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectOptions, callbacks, connected, type LibraryClient } from './client-library.ts';
import { FaultProxy } from './fault-proxy.ts';
import { freePort } from './free-ports.ts';
import { withoutOpening } from './opening.ts';
import { emit, type SpawnedServer, spawnServer } from './spawn-server.ts';
import { openStream } from './sse-client.ts';
import { bearer, tokenFor } from './tokens.ts';
import { eventually } from './wait.ts';

export type Connect = (t: TestContext, options: ConnectOptions) => LibraryClient;

/** Longer than any of these tests: no heartbeat may push out an event that was left behind. */
const NO_HEARTBEAT = ['-heartbeat', '60'];
const SPACING_MS = 2_000;
/** Well before the next emit, well after anything that a busy machine adds. */
const BEFORE_NEXT_MS = 1_500;
const HEARTBEATS = 4;

export const eventsUrl = (server: SpawnedServer): string => `${server.publicUrl}/events/`;

/** Emits `data: <text>` to the user of these tests and returns the event's id. */
export async function say(server: SpawnedServer, text: string): Promise<string> {
  const fields = { userId: 'ann', channel: 'news', payload: `data: ${text}` };
  const { status, body } = await emit(server.controlUrl, fields);
  assert.equal(status, 200);
  return String(body['id']);
}

/** A client of `ann` on `news`, once the server has its stream. */
export async function join<T extends LibraryClient>(
  t: TestContext,
  server: SpawnedServer,
  connect: (t: TestContext, options: ConnectOptions) => T,
): Promise<T> {
  const client = connect(t, { url: eventsUrl(server), token: tokenFor('ann') });
  await connected(client);
  assert.equal(client.requests[0]?.status, 200);
  return client;
}

const contents = (client: LibraryClient) =>
  client.received.map(({ id, event, data }) => ({ id, event, data }));

function reportLateness(t: TestContext, lateness: readonly number[]): void {
  const sorted = lateness.toSorted((a, b) => a - b);
  const [median, max] = [sorted[sorted.length >> 1]!, sorted.at(-1)!];
  t.diagnostic(
    `lateness over ${sorted.length}: median ${median.toFixed(1)} ms, max ${max.toFixed(1)} ms`,
  );
}

/** 100 events, each emitted when the one before has arrived: a client one write behind never ends this. */
export async function deliversEachInTurn(t: TestContext, connect: Connect): Promise<void> {
  const server = await spawnServer(t, NO_HEARTBEAT);
  const client = await join(t, server, connect);
  const lateness: number[] = [];
  const expected = [];
  for (let n = 1; n <= 100; n += 1) {
    const emittedMs = performance.now();
    expected.push({ id: await say(server, `event ${n}`), event: 'message', data: `event ${n}` });
    await callbacks(client, n);
    lateness.push(client.received[n - 1]!.atMs - emittedMs);
  }
  assert.deepEqual(contents(client), expected);
  reportLateness(t, lateness);
}

/** 4 events, 2 s apart, each of which must be there long before the next is written. */
export async function deliversEachAtOnce(t: TestContext, connect: Connect): Promise<void> {
  const server = await spawnServer(t, NO_HEARTBEAT);
  const client = await join(t, server, connect);
  const lateness: number[] = [];
  for (let n = 1; n <= 4; n += 1) {
    const emittedMs = performance.now();
    await say(server, `event ${n}`);
    await callbacks(client, n, { withinMs: BEFORE_NEXT_MS });
    assert.equal(client.received.at(-1)?.data, `event ${n}`);
    lateness.push(client.received[n - 1]!.atMs - emittedMs);
    // The spacing is the requirement itself: nothing else is written meanwhile.
    if (n < 4) await delay(SPACING_MS - (performance.now() - emittedMs));
  }
  assert.equal(client.received.length, 4);
  reportLateness(t, lateness);
}

/** Waits until `count` heartbeats have crossed the wire of a stream opened now; a clock made of the server. */
export async function heartbeats(t: TestContext, server: SpawnedServer, count = HEARTBEATS) {
  const witness = await openStream(t, eventsUrl(server), { headers: bearer(tokenFor('bob')) });
  const beats = () => withoutOpening(witness.text);
  const enough = () => {
    assert.ok(!witness.ended, `the witness ended after ${JSON.stringify(witness.text)}`);
    return beats().length >= ':\n'.length * count;
  };
  await eventually(enough, { withinMs: 5_000 + count * 2_000, what: `${count} heartbeats` }).catch(
    (cause) => assert.fail(`${cause}; the wire had ${JSON.stringify(witness.text)}`),
  );
  assert.match(beats(), /^(:\n)+$/, 'a heartbeat is exactly a colon and a line feed');
  witness.close();
}

/** Heartbeats reach the wire and never the application, before an event and after one. */
export async function staysSilentUnderHeartbeats(t: TestContext, connect: Connect): Promise<void> {
  const server = await spawnServer(t, ['-heartbeat', '1']);
  const client = await join(t, server, connect);
  await heartbeats(t, server);
  assert.deepEqual(contents(client), []);
  const id = await say(server, 'one');
  await callbacks(client, 1);
  await heartbeats(t, server);
  assert.deepEqual(contents(client), [{ id, event: 'message', data: 'one' }]);
}

/** The first frame is read at once, and is no event of the application's. */
export async function isOpenedAtOnce(t: TestContext, connect: Connect): Promise<void> {
  const server = await spawnServer(t, NO_HEARTBEAT);
  const client = await join(t, server, connect);
  await eventually(() => client.notices.length > 0, { what: 'tidings.open' });
  const [{ event, id, data } = assert.fail('no notice')] = client.notices;
  assert.equal(event, 'tidings.open');
  assert.match(id, /^[^-]+-0$/);
  const { heartbeat, expires } = JSON.parse(data) as Record<string, unknown>;
  assert.equal(heartbeat, 60);
  assert.ok(typeof expires === 'number' && expires > 3_500 && expires <= 3_600, `${expires}`);
  assert.deepEqual(contents(client), []);
}

/** Cut twice before its first event, which is emitted while it is away. */
export async function missesNothingBeforeItsFirstEvent(
  t: TestContext,
  connect: Connect,
): Promise<void> {
  const server = await spawnServer(t);
  await say(server, 'before its time');
  const proxy = await FaultProxy.open(t, server.publicUrl);
  const client = connect(t, { url: `${proxy.url}/events/`, token: tokenFor('ann') });
  const opened = (count: number) =>
    eventually(() => client.notices.length >= count, { withinMs: 15_000, what: 'tidings.open' });
  await opened(1);
  proxy.cutAll();
  await opened(2);
  proxy.cutAll();
  const away = await say(server, 'while away');
  await callbacks(client, 1, { withinMs: 15_000 });
  const live = await say(server, 'live');
  await callbacks(client, 2);
  assert.deepEqual(contents(client), [
    { id: away, event: 'message', data: 'while away' },
    { id: live, event: 'message', data: 'live' },
  ]);
  assert.deepEqual(new Set(client.notices.map(({ event }) => event)), new Set(['tidings.open']));
}

/** The flag with a fixed address: one that a second server can take after the first. */
export const onFixedPort = async (flag = '-bind'): Promise<string[]> => [
  flag,
  `127.0.0.1:${await freePort()}`,
];

/** A new server on the same port: the client comes back by itself, says what it had last, and goes on. */
export async function comesBackAfterRestart(
  t: TestContext,
  connect: Connect,
  signal: NodeJS.Signals,
): Promise<void> {
  const address = await onFixedPort();
  const old = await spawnServer(t, address);
  const client = await join(t, old, connect);
  const id = await say(old, 'before');
  await callbacks(client, 1);
  await old.stop(signal);
  const next = await spawnServer(t, address);
  await connected(client, 2, { withinMs: 30_000 });
  const { lastEventId, status } = client.requests.at(-1)!;
  assert.deepEqual({ lastEventId, status }, { lastEventId: id, status: 200 });
  await say(next, 'after');
  const messages = () => client.received.filter(({ event }) => event === 'message');
  await eventually(() => messages().length >= 2, { what: 'the event after the restart' });
  assert.deepEqual(
    messages().map(({ data }) => data),
    ['before', 'after'],
  );
}
