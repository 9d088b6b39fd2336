/** Throughput when many backends publish at once: what batching over events is for. */
import { startLoad } from '../support/load.ts';
import { NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet } from '../support/scenario.ts';
import { noteFaults, rounds, serversAndFloor, type Turn } from './common.ts';

const STREAMS = 1_000;
const PUBLISHERS = 16;
const WARM_UP_SECONDS = 0.5;
/** A slow server gets fewer events, not more time. */
const SECONDS = 1.5;
const EVENTS = 8_000;
const DEADLINE_SECONDS = 6;
const RATE = 'deliveries per second';

async function measure(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
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

export const manyPublishers: Scenario = {
  name: 'many-publishers',
  title: 'Throughput, sixteen publishers, 1,000 streams, 140-byte events',
  how:
    `Sixteen connections publish as fast as they are answered, ${EVENTS.toLocaleString('en')} events or for ${SECONDS} seconds; the clock stops when every event has ` +
    'arrived at every stream, or with the last arrival where some are lost. A fresh server for each round, servers in turn, after a warm-up.',
  headline: { metric: RATE, better: 'more' },
  run: rounds({
    peers: serversAndFloor,
    shown: RATE,
    measure,
    targets: [{ subject: OURS, over: NCHAN, metric: RATE, atLeast: 10 }],
  }),
};
