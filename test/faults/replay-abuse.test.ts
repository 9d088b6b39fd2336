/** A thousand clients that all ask for everything, again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Member, openCrowd } from '../support/crowd.ts';
import { type Emitter, emitterFor, pidOf, tokensFor } from '../support/faults.ts';
import { megabytes, residentBytes, watchMost } from '../support/process-facts.ts';
import { replayToCrowd } from '../support/replay-crowd.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const CLIENTS = 1_000;
const ROUNDS = 3;
/** What the log keeps of a channel; a full one is all of them. */
const ENTRIES = 1_000;
/** Of a server that did one thing after the other, at most one would come through. */
const LIVE_EVENTS = 5;
const ENTRY = 'x'.repeat(400);
/** Over what the server had when the log was full, in bytes: one client's share is 64 KiB. */
const MOST_GROWTH = CLIENTS * 65_536;

const numberFrom = (id: string): [string, number] => {
  const [epoch, n] = id.split('-');
  return [epoch!, Number(n)];
};

/** Fills the channel's log; resolves with the id of its oldest entry and the number of its newest. */
async function fill(t: Owner, { publicUrl }: SpawnedServer, emit: Emitter) {
  const [witness] = await openCrowd(t, publicUrl, [{ token: tokenFor('witness', 'full') }]);
  let newest = 0;
  for (let i = 0; i < ENTRIES; i += 1) newest = await emit('full', ENTRY);
  await eventually(() => witness!.numbers.length === ENTRIES, { what: 'the full log' });
  const [epoch, last] = numberFrom(witness!.reader.lastEventId!);
  witness!.close();
  return { oldestId: `${epoch}-${last - ENTRIES + 1}`, newest };
}

/** Emits to `live` until `isOver`, each after the one before has arrived. */
async function keepLive(emit: Emitter, live: Member, isOver: () => boolean) {
  let [count, slowest] = [0, 0];
  while (!isOver()) {
    const began = performance.now();
    const n = await emit('live', 'x');
    await eventually(() => live.numbers.at(-1) === n, { withinMs: 20_000, what: 'a live event' });
    slowest = Math.max(slowest, performance.now() - began);
    if (!isOver()) count += 1;
  }
  return { count, slowest };
}

test('X-18 replay - 1,000 clients ask for a full log at once: exact answers, bounded memory, and others do not wait', {
  timeout: 180_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', String(ENTRIES)]);
  const emit = emitterFor(t, server.controlUrl);
  const [live] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('live', 'live') }]);
  const { oldestId, newest } = await fill(t, server, emit);
  const order = {
    publicUrl: server.publicUrl,
    tokens: tokensFor(CLIENTS, 'full'),
    lastEventId: oldestId,
    first: newest - ENTRIES + 2,
    last: newest,
  };
  const baseline = residentBytes(pidOf(server));
  const most = watchMost(() => residentBytes(pidOf(server)));
  for (let round = 1; round <= ROUNDS; round += 1) {
    let isOver = false;
    const replays = replayToCrowd(order).finally(() => {
      isOver = true;
    });
    const { count, slowest } = await keepLive(emit, live!, () => isOver);
    t.diagnostic(
      `round ${round}: ${count} live events while replays ran, the slowest ${slowest.toFixed(0)} ms`,
    );
    assert.deepEqual(await replays, []);
    assert.ok(count >= LIVE_EVENTS, `only ${count} live events arrived while replays ran`);
  }
  const growth = most.stop() - baseline;
  t.diagnostic(`memory: ${megabytes(baseline)} before, at most ${megabytes(growth)} more`);
  assert.ok(growth <= MOST_GROWTH, `${megabytes(growth)} more than ${megabytes(baseline)}`);
});
