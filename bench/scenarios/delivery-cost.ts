/** What one delivery costs the server, beside the kernel's own price and beside Nchan. */
import { floor } from '../peers/floor.ts';
import { nchan } from '../peers/nchan.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Counted, faults, type Load, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, available } from './common.ts';

const STREAMS = 1_000;
const WARM_UP_EVENTS = 300;
/** The peers take turns this often within a round: what disturbs the machine disturbs all of them. */
const TURNS = 8;
const EVENTS_PER_TURN = 100;
/**
 * A reader that sleeps until a stream is readable is woken by the server's `send`, at the server's expense, and how
 * often it sleeps depends on how fast the server is. A reader that looks by the clock is never woken.
 */
const POLL_US = 200;
const COST = 'CPU per delivery';

interface Entrant {
  readonly name: string;
  readonly load: Load;
  readonly counted: Counted[];
}

async function enter(owner: Cleanup, peer: Peer, scale: number): Promise<Entrant> {
  const running = await peer.start(owner);
  const load = await startLoad(owner, running, { streams: STREAMS, pollUs: POLL_US });
  await load.run({ mode: 'lockstep', count: Math.ceil(WARM_UP_EVENTS * scale) });
  return { name: peer.name, load, counted: [] };
}

const sum = (counted: readonly Counted[], of: (one: Counted) => number): number =>
  counted.reduce((total, one) => total + of(one), 0);

function record(sheet: Sheet, { name, counted }: Entrant): void {
  for (const fault of counted.flatMap(faults)) sheet.notes.add(`${name}: ${fault}`);
  const deliveries = sum(counted, (one) => one.deliveries);
  const seconds = sum(counted, (one) => one.seconds);
  const user = sum(counted, (one) => one.serverCpuUs * one.serverUserShare);
  const busy = sum(counted, (one) => one.loadCpuShare * one.seconds);
  sheet.add(name, COST, 'µs', sum(counted, (one) => one.serverCpuUs) / deliveries);
  sheet.add(name, 'of it in user space', 'µs', user / deliveries);
  sheet.add(name, 'bytes per delivery', 'B', sum(counted, (one) => one.bytes) / deliveries);
  sheet.add(name, 'CPU of the load generator', '% of a core', (busy / seconds) * 100);
}

/** Fresh servers for every round: where a heap happens to lie is not to decide all of them. */
function measure(sheet: Sheet, peers: readonly Peer[], scale: number): Promise<void> {
  return withCleanup(async (owner) => {
    const entrants: Entrant[] = [];
    for (const peer of peers) entrants.push(await enter(owner, peer, scale));
    const count = Math.ceil(EVENTS_PER_TURN * scale);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const { load, counted } of entrants) {
        counted.push(await load.run({ mode: 'lockstep', count }));
      }
    }
    for (const entrant of entrants) record(sheet, entrant);
  });
}

async function run({ runs, scale, ours, rivals, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  const peers = available(sheet, [...ours, ...rivals, floor]);
  for (let round = 0; round < runs; round++) {
    await measure(sheet, peers, scale);
    const figures = peers.map(
      ({ name }) => `${name} ${sheet.samples(name, COST).at(-1)?.toFixed(2)}`,
    );
    log(`µs: ${figures.join(', ')}`);
  }
  for (const { name } of ours) {
    addRatios(sheet, name, floor.name, COST);
    addRatios(sheet, name, nchan.name, COST);
  }
  const targets = [
    { subject: `tidings / ${floor.name}`, metric: COST, atMost: 1.4 },
    { subject: `tidings / ${nchan.name}`, metric: COST, atMost: 1 },
  ];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const deliveryCost: Scenario = {
  name: 'delivery-cost',
  title: 'CPU per delivery, one publisher, 1,000 streams, 140-byte events',
  how:
    'The next event is published when the last has arrived at all streams, so nothing is batched over events. ' +
    `CPU is the server process's own clock over exactly the deliveries. Fresh servers for each round, and in it ${TURNS} turns of ${EVENTS_PER_TURN} events for each peer, after a warm-up. ` +
    'The generator reads by the clock, so that no `send` pays for waking it.',
  run,
};
