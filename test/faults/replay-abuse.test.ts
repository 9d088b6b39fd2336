/** Many clients that all ask for everything, again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Member, openCrowd } from '../support/crowd.ts';
import { type Emitter, emitterFor, pidOf, tokensFor } from '../support/faults.ts';
import { cpuSeconds, megabytes, residentBytes, watchMost } from '../support/process-facts.ts';
import { type ReplayOrder, replayToCrowd } from '../support/replay-crowd.ts';
import { THREADS } from '../support/server.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const ROUNDS = 3;
/** What the log keeps of a channel; a full one is all of them. */
const ENTRIES = 1_000;
/**
 * Over what the server had when the log was full, in bytes for each client. Other threads get the log in ranges of
 * 256 KB, each of which lies there until the collector of its thread comes by.
 */
const MOST_GROWTH_EACH = THREADS === '1' ? 65_536 : 262_144;
/**
 * Processor time that the server may use while a live event is on its way, in seconds. Its own time, so
 * that a busy machine does not count. Letting in 200 clients takes 0.07, all that their sockets take of
 * their replays 0.3. With threads it is the time of all of them.
 */
const MOST_AHEAD = THREADS === '1' ? 0.15 : 0.25;

const numberFrom = (id: string): [string, number] => {
  const [epoch, n] = id.split('-');
  return [epoch!, Number(n)];
};

/** Fills a channel's log with such entries; resolves with the id of the oldest and the number of the newest. */
async function fill(t: Owner, { publicUrl }: SpawnedServer, emitOne: () => Promise<number>) {
  const [witness] = await openCrowd(t, publicUrl, [{ token: tokenFor('witness', 'full') }]);
  let newest = 0;
  for (let i = 0; i < ENTRIES; i += 1) newest = await emitOne();
  await eventually(() => witness!.numbers.length === ENTRIES, { what: 'the full log' });
  const [epoch, last] = numberFrom(witness!.reader.lastEventId!);
  witness!.close();
  return { oldestId: `${epoch}-${last - ENTRIES + 1}`, newest };
}

interface Size {
  readonly clients: number;
  readonly entryBytes: number;
}

/** A server with a full log, and what the clients are to ask it for. */
async function beforeReplays(t: Owner, { clients, entryBytes }: Size) {
  const server = await spawnServer(t, ['-drain', '0', '-history', String(ENTRIES)]);
  const emit = emitterFor(t, server.controlUrl);
  const entry = 'x'.repeat(entryBytes);
  const { oldestId, newest } = await fill(t, server, () => emit('full', entry));
  const order: ReplayOrder = {
    publicUrl: server.publicUrl,
    tokens: tokensFor(clients, 'full'),
    lastEventId: oldestId,
    first: newest - ENTRIES + 2,
    last: newest,
  };
  return { server, emit, order };
}

/** What the live events met with while replays ran. */
interface Passage {
  count: number;
  /** The most processor time that the server used between an emit and its arrival, in seconds. */
  mostAhead: number;
}

/** Emits to `live` until `isOver`, each after the one before has arrived. */
async function keepLive(emit: Emitter, live: Member, pid: number, isOver: () => boolean) {
  const passage: Passage = { count: 0, mostAhead: 0 };
  while (!isOver()) {
    const before = cpuSeconds(pid);
    const n = await emit('live', 'x');
    await eventually(() => live.numbers.at(-1) === n, { withinMs: 20_000, what: 'a live event' });
    passage.mostAhead = Math.max(passage.mostAhead, cpuSeconds(pid) - before);
    passage.count += 1;
  }
  return passage;
}

test('X-18 replay - 1,000 clients ask for a full log at once: exact answers, bounded memory', {
  timeout: 180_000,
}, async (t) => {
  const clients = 1_000;
  const { server, order } = await beforeReplays(t, { clients, entryBytes: 400 });
  const baseline = residentBytes(pidOf(server));
  const most = watchMost(() => residentBytes(pidOf(server)));
  for (let round = 1; round <= ROUNDS; round += 1) assert.deepEqual(await replayToCrowd(order), []);
  const growth = most.stop() - baseline;
  t.diagnostic(`memory: ${megabytes(baseline)} before, at most ${megabytes(growth)} more`);
  assert.ok(growth <= clients * MOST_GROWTH_EACH, `${megabytes(growth)} more`);
});

test('X-18 replay - 200 clients ask for 4 MB each at once: others do not wait for them', {
  timeout: 180_000,
}, async (t) => {
  const { server, emit, order } = await beforeReplays(t, { clients: 200, entryBytes: 4_000 });
  const [live] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('live', 'live') }]);
  for (let round = 1; round <= ROUNDS; round += 1) {
    let isOver = false;
    const replays = replayToCrowd(order).finally(() => {
      isOver = true;
    });
    const { count, mostAhead } = await keepLive(emit, live!, pidOf(server), () => isOver);
    const ahead = `${(mostAhead * 1_000).toFixed(0)} ms of work ahead of one`;
    t.diagnostic(`round ${round}: ${count} live events while replays ran, at most ${ahead}`);
    assert.deepEqual(await replays, []);
    assert.ok(mostAhead <= MOST_AHEAD, `${ahead} live event`);
  }
});
