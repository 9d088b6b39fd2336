/** Streams that open and close all the time, and logs that forget while clients read them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { World } from '../support/ledger-world.ts';
import { startServer, statsOf, THREADS } from '../support/server.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const CHURN_PER_SECOND = 200;

/** More than the noise of the heap; 12 KB for each of the 2,000 streams. Each thread has a heap of its own. */
const RSS_GROWTH_MB = THREADS === '1' ? 25 : 50;

const openFiles = ({ process: { pid } }: SpawnedServer): number =>
  readdirSync(`/proc/${pid}/fd`).length;

const rssMegabytes = ({ process: { pid } }: SpawnedServer): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024;

const noErrors = (server: SpawnedServer): void =>
  assert.deepEqual(
    server.log().filter((line) => Number(line['level']) >= 50),
    [],
  );

// Some are gone before their head is read, some after an event.
async function churn(server: { publicUrl: string }, count: number): Promise<void> {
  const owner = { after: () => {} };
  const everyMs = 20;
  let opened = 0;
  for await (const _ of ticks(everyMs)) {
    for (let i = 0; i < (CHURN_PER_SECOND * everyMs) / 1_000; i += 1, opened += 1) {
      const token = tokenFor(`passer-by-${opened}`, [`channel-${opened % 20}`, `own-${opened}`]);
      openStream(owner, `${server.publicUrl}/events/`, { headers: bearer(token) }).then(
        (stream) => (opened % 2 === 0 ? stream.close() : setTimeout(() => stream.close(), 50)),
        () => {},
      );
    }
    if (opened >= count) return;
  }
}

test('R-15 churn - 200 streams a second come and go during emits: nothing stays behind', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '200']);
  const world = new World(t, server);
  await world.join(server.publicUrl, 50);
  const emitting = world.emitter.run(world.plan, { count: 1_000_000, perSecond: 200 });
  const files = openFiles(server);
  await churn(server, 2_000); // what is needed once is there after this
  const warm = rssMegabytes(server);
  await churn(server, 2_000);
  world.emitter.stop();
  await emitting;
  await eventually(() => openFiles(server) <= files + 16, {
    withinMs: 30_000,
    what: `the server to have about ${files} open files again`,
  });
  const grown = rssMegabytes(server) - warm;
  t.diagnostic(`${files} open files, then ${openFiles(server)}; ${Math.round(grown)} MB more`);
  await world.settle();
  const account = world.audit();
  assert.equal(account.delivered, account.expected);
  assert.equal(account.notices, 0);
  assert.ok(grown < RSS_GROWTH_MB, `${grown} MB more after 2,000 streams`);
  noErrors(server);
});

test('R-15 churn - streams that are gone leave no stream and no channel in the server', {
  timeout: 60_000,
}, async (t) => {
  const { server, publicUrl } = await startServer(t);
  await churn({ publicUrl }, 600);
  // What waits to be accepted may still open, and go.
  const left = async () => {
    const { streams, channels, blockedStreams, slowStreams } = await statsOf(server);
    return streams + channels + blockedStreams + slowStreams;
  };
  await eventually(async () => (await left()) === 0, { withinMs: 20_000 });
});

test('R-22 retention - 100 clients replay what is just being evicted: an event or a notice, never neither', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '30', '-memory', '2']);
  const world = new World(t, server);
  // Away for about as long as an event is kept.
  await world.join(server.publicUrl, 100, { waitMs: () => world.random.below(3_000) });
  const emitting = world.emitter.run(world.plan, { count: 4_000, perSecond: 400 });
  const stop = new AbortController();
  const cuts = (async () => {
    for await (const _ of ticks(20)) {
      if (stop.signal.aborted) return;
      world.random.pick(world.clients).cut();
    }
  })();
  await emitting;
  stop.abort();
  await cuts;
  await world.opened();
  await world.settle();
  const account = world.audit();
  const reasons = world.clients.flatMap(({ receipt }) => receipt.notices.map((one) => one.reason));
  assert.ok(account.reported > 0, 'something was evicted before it was read');
  assert.ok(account.connections - 100 > reasons.length, 'others found everything still there');
  // `lagged`: what a client came back for was evicted after it had come, before its turn.
  assert.ok(reasons.every((reason) => reason === 'evicted' || reason === 'lagged'));
  assert.ok(reasons.includes('evicted'));
  noErrors(server);
});
