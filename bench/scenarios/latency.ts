/** From emit to arrival at a rate that does not fill the machine: what a user waits. */
import { type Quantiles, startLoad } from '../support/load.ts';
import type { Scenario, Sheet } from '../support/scenario.ts';
import { noteFaults, rounds, serversAndFloor, type Turn } from './common.ts';

const STREAMS = 1_000;
const WARM_UP_EVENTS = 50;
const WARM_UP_SECONDS = 0.5;
const EVENTS_PER_SECOND = 30;
const EVENTS = 90;
/** Two, so that one slow answer does not make the next post late. */
const PUBLISHERS = 2;
const DEADLINE_SECONDS = 6;
const RECEIVE = 'emit to receive';
const LAST = 'emit to the last stream';

function record(sheet: Sheet, subject: string, what: string, quantiles: Quantiles): void {
  const { p50Us, p99Us, p999Us } = quantiles;
  sheet.add(subject, `${what} p50`, 'ms', p50Us / 1e3);
  sheet.add(subject, `${what} p99`, 'ms', p99Us / 1e3);
  sheet.add(subject, `${what} p99.9`, 'ms', p999Us / 1e3);
}

async function measure(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
  const load = await startLoad(owner, await peer.start(owner), { streams: STREAMS });
  const deadline = DEADLINE_SECONDS;
  await load.run({ mode: 'lockstep', count: WARM_UP_EVENTS, seconds: WARM_UP_SECONDS, deadline });
  const rate = { mode: 'rate', perSecond: EVENTS_PER_SECOND, publishers: PUBLISHERS } as const;
  const counted = await load.run({ ...rate, count: Math.ceil(EVENTS * scale), deadline });
  noteFaults(sheet, peer.name, [counted]);
  record(sheet, peer.name, RECEIVE, counted.latency);
  record(sheet, peer.name, LAST, counted.lastStream);
  sheet.add(peer.name, 'CPU of the server', '% of a core', counted.serverCpuShare * 100);
}

export const latency: Scenario = {
  name: 'latency',
  title: `Latency of ${EVENTS_PER_SECOND} broadcasts a second to 1,000 streams, 140-byte events`,
  how:
    `${EVENTS} events for each server and round, timed from when the emit was due (a late one counts as slow) to the arrival at each stream, ` +
    'and to the arrival at the last of them. Reading 1,000 streams takes the generator its time too: the C floor has it in its figures as all others. ' +
    'A fresh server for each round, servers in turn, after a warm-up.',
  headline: { metric: `${LAST} p99`, better: 'less' },
  run: rounds({ peers: serversAndFloor, shown: `${LAST} p99`, measure }),
};
