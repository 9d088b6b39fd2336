/** Throughput when many backends publish at once: what batching over events is for. */
import { nchan } from '../peers/nchan.ts';
import { withCleanup } from '../support/cleanup.ts';
import { faults, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, available } from './common.ts';

const STREAMS = 1_000;
const PUBLISHERS = 16;
const RATE = 'deliveries per second';
const PER_CPU = 'deliveries per CPU second';
/** About equal times: the slow one gets fewer events. */
const EVENTS = { ours: 8_000, rival: 800 };

function measure(sheet: Sheet, peer: Peer, events: number): Promise<void> {
  return withCleanup(async (owner) => {
    const load = await startLoad(owner, await peer.start(owner), { streams: STREAMS });
    const closed = { mode: 'closed', publishers: PUBLISHERS } as const;
    await load.run({ ...closed, count: Math.ceil(events / 4) });
    const counted = await load.run({ ...closed, count: events });
    for (const fault of faults(counted)) sheet.notes.add(`${peer.name}: ${fault}`);
    sheet.add(peer.name, RATE, '/s', counted.deliveries / counted.seconds);
    sheet.add(peer.name, PER_CPU, '/s', (counted.deliveries / counted.serverCpuUs) * 1e6);
    sheet.add(peer.name, 'emits per second', '/s', counted.posted / counted.seconds);
    sheet.add(peer.name, 'latency p99', 'ms', counted.latency.p99Us / 1e3);
    sheet.add(peer.name, 'CPU of the load generator', '% of a core', counted.loadCpuShare * 100);
  });
}

async function run({ runs, scale, ours, rivals, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  const peers = available(sheet, [...ours, ...rivals]);
  for (let round = 0; round < runs; round++) {
    for (const peer of peers) {
      const events = peer === nchan ? EVENTS.rival : EVENTS.ours;
      await measure(sheet, peer, Math.ceil(events * scale));
      log(`${peer.name} ${Math.round(sheet.samples(peer.name, RATE).at(-1) ?? 0)} deliveries/s`);
    }
  }
  for (const { name } of ours) {
    addRatios(sheet, name, nchan.name, RATE);
    addRatios(sheet, name, nchan.name, PER_CPU);
  }
  const targets = [{ subject: `tidings / ${nchan.name}`, metric: RATE, atLeast: 10 }];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const manyPublishers: Scenario = {
  name: 'many-publishers',
  title: 'Throughput, sixteen publishers, 1,000 streams, 140-byte events',
  how:
    'Sixteen keep-alive connections publish as fast as they are answered; the clock stops when every event has ' +
    'arrived at every stream. A fresh server for each round, peers in turn, after a warm-up.',
  run,
};
