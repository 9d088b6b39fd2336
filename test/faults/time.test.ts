/** What is due on a stream happens on time, whatever the others do; and where nothing is due, nothing happens. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { emitRaw } from '../support/emitting.ts';
import { connectRaw, type RawClient, streamRequest } from '../support/raw-client.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

async function passed(ms: number): Promise<void> {
  const began = performance.now();
  await eventually(() => performance.now() - began >= ms, { withinMs: ms * 2 + 1_000 });
}

/** A stream and when it got something, by this process's clock. */
class Timed {
  readonly client: RawClient;
  readonly times: number[] = [];

  constructor(client: RawClient) {
    this.client = client;
    client.socket.on('data', () => this.times.push(performance.now()));
  }

  /** The longest time without a byte, the one that still lasts included, in milliseconds. */
  get longestSilence(): number {
    const times = [...this.times, performance.now()];
    return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
  }
}

async function openTimed(t: TestContext, url: string, token: string): Promise<Timed> {
  const client = await connectRaw(t, url);
  const timed = new Timed(client);
  client.send(streamRequest(token));
  await client.until(/retry: \d+\n/);
  return timed;
}

/** So many clients that come back as soon as their stream is so old, until `t` ends. */
function comeAndGo(
  t: TestContext,
  url: string,
  { clients, everyMs }: Record<string, number>,
): void {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const headers = bearer(tokenFor('passer-by', 'elsewhere'));
  const owner = { after: () => {} };
  const loop = async () => {
    let stream = await openStream(owner, `${url}/events/`, { headers });
    t.after(() => stream.close());
    for await (const _ of ticks(everyMs!, undefined, { signal: stop.signal })) {
      stream.close();
      stream = await openStream(owner, `${url}/events/`, { headers });
    }
  };
  for (let i = 0; i < clients!; i += 1) loop().catch(() => {});
}

/** How often a process's event loop has gone to sleep so far. */
const sleeps = ({ process: { pid } }: SpawnedServer): number =>
  Number(
    /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1],
  );

async function sleepsIn(server: SpawnedServer, ms: number): Promise<number> {
  const before = sleeps(server);
  await passed(ms);
  return sleeps(server) - before;
}

/** A few turns of its loop that the addon and Node need for themselves. */
const SLEEPS_A_SECOND = 3;

// Side by side: each waits with a server of its own, and none does much meanwhile.
describe('time', { concurrency: 4 }, () => {
  test('time - a token ends on time and gets nothing after it, while others come and go all the time', {
    timeout: 60_000,
  }, async (t) => {
    const server = await spawnServer(t);
    const exp = Math.floor(Date.now() / 1_000) + 5;
    const token = tokenFor('short', 'news', { expiresIn: 5 });
    const stream = await openStream(t, `${server.publicUrl}/events/`, { headers: bearer(token) });
    comeAndGo(t, server.publicUrl, { clients: 8, everyMs: 150 });
    await stream.end({ withinMs: 15_000 });
    const late = Date.now() / 1_000 - exp;
    assert.ok(late < 1.5, `${late} s after exp`);
    const { text } = await emitRaw(server, 'data: x');
    assert.match(text, /"streams":0\b/);
    assert.deepEqual(
      stream.events.map(({ event }) => event),
      ['tidings.expiring'],
    );
  });

  test('time - the silence on a quiet stream is never as long as -heartbeat, whoever comes and goes', {
    timeout: 60_000,
  }, async (t) => {
    const server = await spawnServer(t, ['-heartbeat', '3']);
    const quiet = await openTimed(t, server.publicUrl, tokenFor('quiet'));
    comeAndGo(t, server.publicUrl, { clients: 6, everyMs: 1_500 });
    await passed(20_000);
    assert.ok(quiet.longestSilence < 3_000, `${quiet.longestSilence} ms`);
  });

  test('time - the silence after an event is no longer than any other', {
    timeout: 60_000,
  }, async (t) => {
    const server = await spawnServer(t, ['-heartbeat', '4']);
    const streams = await Promise.all(
      Array.from({ length: 20 }, (_, i) => openTimed(t, server.publicUrl, tokenFor(`u${i}`))),
    );
    // At moments that fall anywhere into the interval.
    for (const waitMs of [700, 2_600, 4_100, 5_300, 6_200, 9_000]) {
      assert.equal((await emitRaw(server, 'data: x')).status, 200);
      await passed(waitMs);
    }
    const longest = Math.max(...streams.map(({ longestSilence }) => longestSilence));
    t.diagnostic(`longest silence ${longest.toFixed(0)} ms`);
    assert.ok(longest < 4_000, `${longest} ms`);
  });

  test('time - a server with nobody there sleeps, before the first stream and after the last', {
    timeout: 60_000,
  }, async (t) => {
    const server = await spawnServer(t, ['-history-ttl', '1']);
    await eventually(async () => (await sleepsIn(server, 1_000)) <= SLEEPS_A_SECOND, {
      withinMs: 10_000,
      what: 'the server to have started, and to sleep',
    });
    const before = await sleepsIn(server, 5_000);
    const stream = await openTimed(t, server.publicUrl, tokenFor('ann'));
    await emitRaw(server, 'data: x');
    await stream.client.until(/data: x/);
    const during = await sleepsIn(server, 2_000);
    stream.client.socket.destroy();
    await eventually(async () => (await sleepsIn(server, 1_000)) <= SLEEPS_A_SECOND, {
      withinMs: 15_000,
      what: 'the server to sleep again when the stream is gone and the entry over',
    });
    const after = await sleepsIn(server, 5_000);
    t.diagnostic(`${before} in 5 s before, ${during} in 2 s with a stream, ${after} in 5 s after`);
    assert.ok(before <= 5 * SLEEPS_A_SECOND, `${before} before`);
    assert.ok(after <= 5 * SLEEPS_A_SECOND, `${after} after`);
  });
});
