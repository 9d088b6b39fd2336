/** How many emits a second a server takes from its backends, when nobody listens. */
import { takeSample } from '../node-load/clocks.ts';
import { failed, fire } from '../support/cannon.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { RunningPeer } from '../support/peer.ts';
import { CEILING, NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet, Target } from '../support/scenario.ts';
import { rounds, serversAndCeiling, type Turn } from './common.ts';

const CONNECTIONS = 10;
const PIPELINING = 10;
const SECONDS = 2;
const WARM_UP = { count: 1_000_000, seconds: 0.7, deadline: 2 };
const RATE = 'emits per second';
const PIPELINED = `${RATE}, pipelined`;
const TARGETS: readonly Target[] = [
  { subject: OURS, over: CEILING, metric: RATE, atLeast: 0.6 },
  { subject: OURS, over: NCHAN, metric: PIPELINED, atLeast: 1 },
];

/** By the load generator, which takes less of the machine: what is compiled while it runs is compiled by then. */
async function warmUp(owner: Cleanup, peer: RunningPeer): Promise<void> {
  const load = await startLoad(owner, peer, { streams: 0 });
  await load.run({ mode: 'closed', publishers: CONNECTIONS, ...WARM_UP });
}

async function measure(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
  const running = await peer.start(owner);
  const { emit, broadcast } = running;
  await warmUp(owner, running);
  const publication = { ...broadcast, body: broadcast.body.replace('{event}', 'hello') };
  const seconds = Math.max(1, Math.round(SECONDS * scale));
  for (const [metric, pipelining] of [
    [RATE, 1],
    [PIPELINED, PIPELINING],
  ] as const) {
    const before = takeSample(running.pids);
    const result = await fire(emit, publication, { connections: CONNECTIONS, seconds, pipelining });
    const cpuUs = (takeSample(running.pids).server - before.server) / 1e3;
    sheet.add(peer.name, metric, '/s', result['2xx'] / seconds);
    sheet.add(peer.name, `${metric}: server CPU per emit`, 'µs', cpuUs / result['2xx']);
    sheet.add(peer.name, `${metric}: answer p99`, 'ms', result.latency.p99);
    if (failed(result) > 0)
      sheet.notes.add(`${peer.name}, ${metric}: some calls were not answered with success`);
  }
}

export const publishRate: Scenario = {
  name: 'publish-rate',
  title: 'Emits answered, no streams',
  how:
    `autocannon, ${CONNECTIONS} connections for ${SECONDS} seconds, then the same with ${PIPELINING} requests on each connection at a time; only calls answered with success count. ` +
    'autocannon counts latency in whole milliseconds and takes a core of its own: where the server does not fill one, autocannon is what limits, and CPU per emit says more than the rate. A fresh server for each round, servers in turn, after a warm-up.',
  headline: { metric: RATE, better: 'more' },
  run: rounds({ peers: serversAndCeiling, shown: RATE, measure, targets: TARGETS }),
};
