/** Throughput when many backends publish at once: what batching over events is for. */
import type { Cleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { inTurns, noteFaults, serversAndFloor } from './common.ts';

const STREAMS = 1_000;
const PUBLISHERS = 16;
const WARM_UP_SECONDS = 0.5;
/** A slow server gets fewer events, not more time. */
const SECONDS = 1.5;
const EVENTS = 8_000;
const DEADLINE_SECONDS = 6;
const RATE = 'deliveries per second';

async function measure(sheet: Sheet, owner: Cleanup, peer: Peer, scale: number): Promise<void> {
  const load = await startLoad(owner, await peer.start(owner), { streams: STREAMS });
  const count = Math.ceil(EVENTS * scale);
  const closed = {
    mode: 'closed',
    publishers: PUBLISHERS,
    count,
    deadline: DEADLINE_SECONDS,
  } as const;
  await load.run({ ...closed, seconds: WARM_UP_SECONDS * scale });
  const counted = await load.run({ ...closed, seconds: SECONDS * scale });
  noteFaults(sheet, peer.name, [counted]);
  const { deliveries, seconds, serverCpuUs } = counted;
  sheet.add(peer.name, RATE, '/s', deliveries / seconds);
  sheet.add(peer.name, 'deliveries per CPU second', '/s', (deliveries / serverCpuUs) * 1e6);
  sheet.add(peer.name, 'emits per second', '/s', counted.posted / seconds);
  sheet.add(peer.name, 'latency p99', 'ms', counted.latency.p99Us / 1e3);
  sheet.add(peer.name, 'CPU of the load generator', '% of a core', counted.loadCpuShare * 100);
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  await inTurns(sheet, settings, {
    peers: serversAndFloor(settings),
    shown: RATE,
    measure: (owner, peer) => measure(sheet, owner, peer, settings.scale),
  });
  const targets = settings.rivals
    .filter(({ name }) => name === 'Nchan')
    .map(({ name }) => ({ subject: 'tidings', over: name, metric: RATE, atLeast: 10 }));
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const manyPublishers: Scenario = {
  name: 'many-publishers',
  title: 'Throughput, sixteen publishers, 1,000 streams, 140-byte events',
  how:
    `Sixteen connections publish as fast as they are answered, ${EVENTS.toLocaleString('en')} events or for ${SECONDS} seconds; the clock stops when every event has ` +
    'arrived at every stream, or with the last arrival where some are lost. A fresh server for each round, servers in turn, after a warm-up.',
  headline: { metric: RATE, better: 'more' },
  run,
};
