/** What one delivery costs the server, beside the kernel's own price. */
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import type { Peer } from '../support/peer.ts';
import { FLOOR, NCHAN, OURS } from '../support/ratios.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { askable, noteFaults, serversAndFloor, succeeds } from './common.ts';
import { costOf, type Entrant, enter, takeTurns } from './lockstep.ts';

const STREAMS = 1_000;
const WARM_UP_SECONDS = 0.8;
/** The servers take turns this often within a round: what disturbs the machine disturbs all of them. */
const TURNS = 8;
const TURN_SECONDS = 0.4;
const EVENTS_PER_TURN = 100;
const COST = 'CPU per delivery';

async function enterFresh(owner: Cleanup, peer: Peer, scale: number): Promise<Entrant> {
  const running = await peer.start(owner);
  const warmUp = { seconds: WARM_UP_SECONDS * scale, count: EVENTS_PER_TURN * TURNS };
  return enter(owner, { subject: peer.name, running, options: { streams: STREAMS }, warmUp });
}

function record(sheet: Sheet, entrant: Entrant): void {
  const { subject, counted } = entrant;
  noteFaults(sheet, subject, counted);
  const { cpuUs, userUs, perSecond, bytes, loadShare } = costOf(entrant);
  sheet.add(subject, COST, 'µs', cpuUs);
  sheet.add(subject, 'of it in user space', 'µs', userUs);
  sheet.add(subject, 'deliveries per second', '/s', perSecond);
  sheet.add(subject, 'bytes per delivery', 'B', bytes);
  sheet.add(subject, 'CPU of the load generator', '% of a core', loadShare * 100);
}

/** Fresh servers for every round: where a heap happens to lie is not to decide all of them. Returns who is able. */
function measure(sheet: Sheet, settings: Settings, peers: readonly Peer[]): Promise<Peer[]> {
  const { scale } = settings;
  return withCleanup(async (owner) => {
    const entrants: Entrant[] = [];
    const able: Peer[] = [];
    for (const peer of peers) {
      const work = async () => void entrants.push(await enterFresh(owner, peer, scale));
      if (await succeeds(sheet, { settings, peer }, work)) able.push(peer);
    }
    await takeTurns(entrants, TURNS, { seconds: TURN_SECONDS * scale, count: EVENTS_PER_TURN });
    for (const entrant of entrants) record(sheet, entrant);
    return able;
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
  const targets = askable(settings, [
    { subject: OURS, over: FLOOR, metric: COST, atMost: 1.33 },
    { subject: OURS, over: NCHAN, metric: COST, atMost: 1 },
  ]);
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
