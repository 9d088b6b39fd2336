/** How many emits a second a server takes from its backends, when nobody listens. */
import { failed, fire } from '../support/cannon.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { inTurns, servers } from './common.ts';

const CONNECTIONS = 10;
const PIPELINING = 10;
const SECONDS = 2;
const WARM_UP = { count: 1_000_000, seconds: 0.7, deadline: 2 };
const RATE = 'emits per second';

/** By the load generator, which takes less of the machine: what is compiled while it runs is compiled by then. */
async function warmUp(owner: Cleanup, peer: RunningPeer): Promise<void> {
  const load = await startLoad(owner, peer, { streams: 0 });
  await load.run({ mode: 'closed', publishers: CONNECTIONS, ...WARM_UP });
}

async function measure(sheet: Sheet, owner: Cleanup, peer: Peer, scale: number): Promise<void> {
  const running = await peer.start(owner);
  const { emit, broadcast } = running;
  await warmUp(owner, running);
  const publication = { ...broadcast, body: broadcast.body.replace('{event}', 'hello') };
  const seconds = Math.max(1, Math.round(SECONDS * scale));
  for (const [metric, pipelining] of [
    [RATE, 1],
    [`${RATE}, pipelined`, PIPELINING],
  ] as const) {
    const result = await fire(emit, publication, { connections: CONNECTIONS, seconds, pipelining });
    sheet.add(peer.name, metric, '/s', result['2xx'] / seconds);
    sheet.add(peer.name, `${metric}: answer p99`, 'ms', result.latency.p99);
    if (failed(result) > 0)
      sheet.notes.add(`${peer.name}, ${metric}: some calls were not answered with success`);
  }
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  await inTurns(sheet, settings, {
    peers: servers(settings),
    shown: RATE,
    measure: (owner, peer) => measure(sheet, owner, peer, settings.scale),
  });
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const publishRate: Scenario = {
  name: 'publish-rate',
  title: 'Emits answered, no streams',
  how:
    `autocannon, ${CONNECTIONS} connections for ${SECONDS} seconds, then the same with ${PIPELINING} requests on each connection at a time; only calls answered with success count. ` +
    'autocannon counts latency in whole milliseconds and takes a core of its own. A fresh server for each round, servers in turn, after a warm-up.',
  headline: { metric: RATE, better: 'more' },
  run,
};
