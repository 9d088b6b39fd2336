/** Several threads, one of which stands still, throws, or stands in the way of another process. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream, type SseClient } from '../support/sse-client.ts';
import { type Deed, environmentFor } from '../support/thread-hook.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** So many that each of two threads has some: that one has all is less likely than one in 10 million. */
const CLIENTS = 24;

/** An emit is tried this often while a thread stands still, in milliseconds. */
const PROBE_MS = 200;

const TWO_THREADS = ['-threads', '2', '-log-level', 'debug'];

interface Emitted {
  readonly text: string;
  readonly status: number;
  readonly error: string | undefined;
  readonly streams: number | undefined;
  readonly ms: number;
}

async function emit({ controlUrl }: SpawnedServer, text: string): Promise<Emitted> {
  const began = performance.now();
  const body = new URLSearchParams({ userId: '*', channel: 'news', payload: `data: ${text}` });
  const response = await fetch(`${controlUrl}/emit/`, { method: 'POST', body });
  const json = (await response.json()) as { error?: string; streams?: number };
  const ms = performance.now() - began;
  return { text, status: response.status, error: json.error, streams: json.streams, ms };
}

const openClients = (t: TestContext, { publicUrl }: SpawnedServer): Promise<SseClient[]> =>
  Promise.all(
    Array.from({ length: CLIENTS }, (_, i) =>
      openStream(t, `${publicUrl}/events/`, { headers: bearer(tokenFor(`user-${i}`)) }),
    ),
  );

const datas = ({ events }: SseClient): string[] => events.map(({ data }) => data);

/** Emits one after the other, `atOnce` of them at a time, until `isOver`. */
async function emitUntil(server: SpawnedServer, isOver: () => boolean): Promise<Emitted[]> {
  const done: Emitted[] = [];
  let count = 0;
  const emitter = async () => {
    while (!isOver()) done.push(await emit(server, `event ${++count}`));
  };
  await Promise.all(Array.from({ length: 4 }, emitter));
  return done;
}

async function assertDelivered(clients: readonly SseClient[], emitted: readonly Emitted[]) {
  const accepted = emitted.filter(({ status }) => status === 200).map(({ text }) => text);
  assert.ok(accepted.length > 0);
  for (const client of clients) {
    await eventually(() => client.events.length >= accepted.length, { withinMs: 20_000 });
    assert.deepEqual(datas(client).sort(), [...accepted].sort());
    assert.deepEqual(datas(client), datas(clients[0]!), 'one order for all');
  }
}

async function stallFor(t: TestContext, ms: number) {
  const deed: Deed = { kind: 'busy', ms, thread: 1 };
  const server = await spawnServer(t, TWO_THREADS, environmentFor(t, deed));
  const clients = await openClients(t, server);
  assert.equal((await emit(server, 'first')).streams, CLIENTS);
  server.process.kill('SIGUSR2');
  const began = performance.now();
  const emitted = await emitUntil(server, () => performance.now() - began > ms + 1_000);
  return { server, clients, emitted: [...emitted, await emit(server, 'last')] };
}

test('threads - one that stands still for 2 s delays answers, and loses nothing', {
  timeout: 60_000,
}, async (t) => {
  const { clients, emitted } = await stallFor(t, 2_000);
  assert.deepEqual([...new Set(emitted.map(({ status }) => status))], [200]);
  assert.ok(Math.max(...emitted.map(({ ms }) => ms)) > 1_000, 'nobody has waited');
  for (const { streams } of emitted) assert.equal(streams, CLIENTS);
  const first = { text: 'first', status: 200, error: undefined, streams: CLIENTS, ms: 0 };
  await assertDelivered(clients, [first, ...emitted]);
});

test('threads - past 5 s emits are refused with 429, and what is refused goes to nobody', {
  timeout: 60_000,
}, async (t) => {
  const deed: Deed = { kind: 'busy', ms: 7_000, thread: 2 };
  const server = await spawnServer(t, TWO_THREADS, environmentFor(t, deed));
  const clients = await openClients(t, server);
  const first = await emit(server, 'first');
  server.process.kill('SIGUSR2');
  const began = performance.now();
  const answers: Emitted[] = [];
  const asked: Promise<unknown>[] = [];
  const refused = await eventually(
    () => {
      // One that is taken is answered when the thread goes on.
      if (asked.length * PROBE_MS <= performance.now() - began)
        asked.push(emit(server, `${asked.length}`).then((answer) => answers.push(answer)));
      return answers.find(({ status }) => status === 429);
    },
    { withinMs: 7_000, what: 'an emit to be refused' },
  );
  assert.ok(performance.now() - began > 4_000, 'refused too early');
  assert.equal(refused?.error, 'THREADS_BEHIND');
  await Promise.all(asked);
  const emitted = [first, ...answers, await emit(server, 'last')];
  assert.ok(emitted.every(({ status }) => status === 200 || status === 429));
  await assertDelivered(clients, emitted);
});

for (const thread of [0, 1])
  test(`threads - an error that nobody caught in ${thread === 0 ? 'the main thread' : 'another'} ends the process, with its text`, {
    timeout: 30_000,
  }, async (t) => {
    const server = await spawnServer(t, TWO_THREADS, environmentFor(t, { kind: 'throw', thread }));
    const clients = await openClients(t, server);
    server.process.kill('SIGUSR2');
    const [code, signal] = (await once(server.process, 'exit')) as [number | null, string | null];
    assert.deepEqual([code, signal], [1, null], server.stderr());
    assert.match(server.stderr(), /Error: a test has thrown this\n/);
    assert.doesNotMatch(server.stderr(), /Native stack trace|Assertion/);
    for (const client of clients) await client.end();
  });

test('threads - a second process is refused the port, whichever of the two has threads', {
  timeout: 30_000,
}, async (t) => {
  for (const [first, second] of [
    ['2', '2'],
    ['2', '1'],
    ['1', '2'],
  ] as const) {
    const server = await spawnServer(t, ['-threads', first]);
    const { host } = new URL(server.publicUrl);
    await assert.rejects(
      spawnServer(t, ['-threads', second, '-bind', host]),
      /server exited 2: tidings: -bind 127\.0\.0\.1:\d+: cannot listen, another process has this port: stop it or choose another port\n$/,
    );
    assert.equal(await server.stop(), 0);
  }
});

test('threads - a line of the log is never torn, and lines of all threads are there', {
  timeout: 30_000,
}, async (t) => {
  const server = await spawnServer(t, TWO_THREADS);
  const clients = await openClients(t, server);
  assert.equal(await server.stop(), 0);
  for (const client of clients) await client.end();
  const lines = server.stderr().split('\n').slice(0, -1);
  for (const line of lines) JSON.parse(line);
  const users = lines.map((line) => (JSON.parse(line) as { user?: string }).user);
  assert.equal(new Set(users.filter((user) => user !== undefined)).size, CLIENTS);
});

test('threads - the drain is at one even rate over all threads, and a second signal skips it', {
  timeout: 60_000,
}, async (t) => {
  const server = await spawnServer(t, [...TWO_THREADS, '-drain', '4']);
  const clients = await openClients(t, server);
  const ends: number[] = [];
  const began = performance.now();
  for (const client of clients)
    void client.end({ withinMs: 20_000 }).then(() => ends.push(performance.now() - began));
  const exited = server.stop();
  await eventually(() => ends.length >= CLIENTS / 4, { withinMs: 10_000 });
  assert.ok(ends.length < CLIENTS, 'all at once');
  server.process.kill('SIGTERM');
  assert.equal(await exited, 0);
  await eventually(() => ends.length === CLIENTS);
});

test('threads - -over-limit replace: of many that come at once for one user so many stay as may', {
  timeout: 30_000,
}, async (t) => {
  const limits = ['-max-streams-per-user', '2', '-over-limit', 'replace'];
  const server = await spawnServer(t, [...TWO_THREADS, ...limits]);
  const headers = bearer(tokenFor('ann'));
  const burst = () =>
    Promise.all(
      Array.from({ length: 20 }, () => openStream(t, `${server.publicUrl}/events/`, { headers })),
    );
  const clients = [...(await burst()), ...(await burst())];
  await eventually(() => clients.filter(({ ended }) => !ended).length === 2, {
    what: 'all but two to end',
  });
  assert.equal((await emit(server, 'x')).streams, 2);
});
