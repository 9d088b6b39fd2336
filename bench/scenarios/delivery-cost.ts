/** What one delivery costs the server, beside the kernel's own price and beside Nchan. */
import { floor } from '../peers/floor.ts';
import { nchan } from '../peers/nchan.ts';
import { withCleanup } from '../support/cleanup.ts';
import { faults, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, available } from './common.ts';

const STREAMS = 1_000;
const WARM_UP_EVENTS = 300;
const EVENTS = 700;
const COST = 'CPU per delivery';

/** A fresh server per round: one that has just lost to its heap's layout does not lose five times. */
function measure(sheet: Sheet, peer: Peer, scale: number): Promise<void> {
  return withCleanup(async (owner) => {
    const load = await startLoad(owner, await peer.start(owner), { streams: STREAMS });
    await load.run({ mode: 'lockstep', count: Math.ceil(WARM_UP_EVENTS * scale) });
    const counted = await load.run({ mode: 'lockstep', count: Math.ceil(EVENTS * scale) });
    for (const fault of faults(counted)) sheet.notes.add(`${peer.name}: ${fault}`);
    const cost = counted.serverCpuUs / counted.deliveries;
    sheet.add(peer.name, COST, 'µs', cost);
    sheet.add(peer.name, 'of it in user space', 'µs', cost * counted.serverUserShare);
    sheet.add(peer.name, 'bytes per delivery', 'B', counted.bytes / counted.deliveries);
    sheet.add(peer.name, 'CPU of the load generator', '% of a core', counted.loadCpuShare * 100);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  const peers = available(sheet, [...ours, nchan, floor]);
  for (let round = 0; round < runs; round++) {
    for (const peer of peers) {
      await measure(sheet, peer, scale);
      log(`${peer.name} ${sheet.samples(peer.name, COST).at(-1)?.toFixed(2)} µs`);
    }
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
    "CPU is the server process's own clock over exactly the deliveries; a fresh server for each round, peers in turn, after a warm-up.",
  run,
};
