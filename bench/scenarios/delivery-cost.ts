/** What one delivery costs the server, beside the kernel's own price. */
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Counted, type Load, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { noteFaults, serversAndFloor, succeeds } from './common.ts';

const STREAMS = 1_000;
const WARM_UP_SECONDS = 0.8;
/** The servers take turns this often within a round: what disturbs the machine disturbs all of them. */
const TURNS = 8;
const TURN_SECONDS = 0.4;
const EVENTS_PER_TURN = 100;
/**
 * A reader that sleeps until a stream is readable is woken by the server's `send`, at the server's expense, and how
 * often it sleeps depends on how fast the server is. A reader that looks by the clock is never woken.
 */
const POLL_US = 200;
const DEADLINE_SECONDS = 5;
const COST = 'CPU per delivery';

interface Entrant {
  readonly peer: Peer;
  readonly load: Load;
  readonly counted: Counted[];
}

const lockstep = (load: Load, seconds: number, count: number): Promise<Counted> =>
  load.run({ mode: 'lockstep', count, seconds, deadline: DEADLINE_SECONDS });

async function enter(owner: Cleanup, peer: Peer, scale: number): Promise<Entrant> {
  const running = await peer.start(owner);
  const load = await startLoad(owner, running, { streams: STREAMS, pollUs: POLL_US });
  await lockstep(load, WARM_UP_SECONDS * scale, EVENTS_PER_TURN * TURNS);
  return { peer, load, counted: [] };
}

const sum = (counted: readonly Counted[], of: (one: Counted) => number): number =>
  counted.reduce((total, one) => total + of(one), 0);

function record(sheet: Sheet, { peer: { name }, counted }: Entrant): void {
  noteFaults(sheet, name, counted);
  const deliveries = sum(counted, (one) => one.deliveries);
  const seconds = sum(counted, (one) => one.seconds);
  const user = sum(counted, (one) => one.serverCpuUs * one.serverUserShare);
  const busy = sum(counted, (one) => one.loadCpuShare * one.seconds);
  sheet.add(name, COST, 'µs', sum(counted, (one) => one.serverCpuUs) / deliveries);
  sheet.add(name, 'of it in user space', 'µs', user / deliveries);
  sheet.add(name, 'deliveries per second', '/s', deliveries / seconds);
  sheet.add(name, 'bytes per delivery', 'B', sum(counted, (one) => one.bytes) / deliveries);
  sheet.add(name, 'CPU of the load generator', '% of a core', (busy / seconds) * 100);
}

/** Fresh servers for every round: where a heap happens to lie is not to decide all of them. Returns who is able. */
function measure(sheet: Sheet, settings: Settings, peers: readonly Peer[]): Promise<Peer[]> {
  const { scale } = settings;
  return withCleanup(async (owner) => {
    const entrants: Entrant[] = [];
    for (const peer of peers) {
      const work = async () => void entrants.push(await enter(owner, peer, scale));
      await succeeds(sheet, { settings, peer }, work);
    }
    for (let turn = 0; turn < TURNS; turn++) {
      for (const { load, counted } of entrants)
        counted.push(await lockstep(load, TURN_SECONDS * scale, EVENTS_PER_TURN));
    }
    for (const entrant of entrants) record(sheet, entrant);
    return entrants.map(({ peer }) => peer);
  });
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  let peers = serversAndFloor(settings);
  for (let round = 0; round < settings.runs; round++) {
    peers = await measure(sheet, settings, peers);
    const figures = peers.map(
      ({ name }) => `${name} ${sheet.samples(name, COST).at(-1)?.toFixed(2)}`,
    );
    settings.log(`µs: ${figures.join(', ')}`);
  }
  const targets = [
    { subject: 'tidings', over: 'C floor', metric: COST, atMost: 1.4 },
    ...settings.rivals
      .filter(({ name }) => name === 'Nchan')
      .map(({ name }) => ({ subject: 'tidings', over: name, metric: COST, atMost: 1 })),
  ];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const deliveryCost: Scenario = {
  name: 'delivery-cost',
  title: 'CPU per delivery, one publisher, 1,000 streams, 140-byte events',
  how:
    'The next event is published when the last has arrived at all streams, so nothing is batched over events. ' +
    `CPU is the server process's own clock over exactly the deliveries. Fresh servers for each round, and in it ${TURNS} turns of ${EVENTS_PER_TURN} events, or of ${TURN_SECONDS} seconds, for each server, after a warm-up. ` +
    'The generator reads by the clock, so that no `send` pays for waking it.',
  headline: { metric: COST, better: 'less' },
  run,
};
