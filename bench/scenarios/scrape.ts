/** What `GET /metrics` costs: a scrape by itself, and deliveries while somebody scrapes every second. */
import { cpuSeconds } from '../../test/support/process-facts.ts';
import { subscriptionTo } from '../peers/tidings.ts';
import { withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, noteFaults } from './common.ts';
import { costOf, enter, takeTurns } from './lockstep.ts';

const STREAMS = 1_000;
const TURNS = 6;
/** A scrape falls into each turn of the server that is scraped. */
const TURN = { count: 100_000, seconds: 1 };
const WARM_UP = { count: 100_000, seconds: 0.8 };
const COST = 'CPU per delivery';

const HOUSES = [0, 15_000];
const SCRAPES = 200;

const scrapedName = ({ name }: Peer): string => `${name}, scraped every second`;

async function scrape({ emit }: RunningPeer): Promise<string> {
  const response = await fetch(`http://${emit.host}:${emit.port}/metrics`);
  if (!response.ok) throw new Error(`/metrics was answered with ${response.status}`);
  return response.text();
}

/** Two fresh servers taking turns, one of them scraped. */
function measureDeliveries(sheet: Sheet, peer: Peer, turns: number): Promise<void> {
  return withCleanup(async (owner) => {
    const both = [];
    for (const subject of [peer.name, scrapedName(peer)]) {
      const running = await peer.start(owner);
      const options = { streams: STREAMS };
      const entrant = await enter(owner, { subject, running, options, warmUp: WARM_UP });
      both.push({ entrant, look: () => (subject === peer.name ? undefined : scrape(running)) });
    }
    for (let turn = 0; turn < turns; turn++)
      for (const { entrant, look } of both)
        await Promise.all([takeTurns([entrant], 1, TURN), look()]);
    for (const { entrant } of both) {
      noteFaults(sheet, entrant.subject, entrant.counted);
      sheet.add(entrant.subject, COST, 'µs', costOf(entrant).cpuUs);
    }
  });
}

/** Of a server with so many streams, each on a channel of its own as well. */
function measureScrapes(sheet: Sheet, peer: Peer, streams: number): Promise<void> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const subscribe = (index: number) => subscriptionTo(index, ['all', `own-${index}`]);
    await startLoad(owner, running, { streams, subscribe });
    const text = await scrape(running);
    const pid = running.pids[0]!;
    const [cpu, began] = [cpuSeconds(pid), performance.now()];
    for (let i = 0; i < SCRAPES; i++) await scrape(running);
    const subject = `${peer.name}, ${streams.toLocaleString('en')} streams`;
    sheet.add(subject, 'CPU per scrape', 'ms', ((cpuSeconds(pid) - cpu) * 1e3) / SCRAPES);
    sheet.add(subject, 'time of a scrape', 'ms', (performance.now() - began) / SCRAPES);
    sheet.add(subject, 'size of a scrape', 'B', text.length);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      await measureDeliveries(sheet, peer, Math.max(1, Math.round(TURNS * scale)));
      for (const streams of HOUSES) await measureScrapes(sheet, peer, streams);
      log(`${peer.name} round ${round + 1} done`);
    }
  }
  for (const peer of ours) addRatios(sheet, scrapedName(peer), peer.name, COST);
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const scraped: Scenario = {
  name: 'scrape',
  title: 'Metrics: deliveries while they are scraped, and what a scrape costs',
  how:
    `Two fresh servers of ${STREAMS.toLocaleString('en')} streams for each round take ${TURNS} turns of ${TURN.seconds} second; into each turn of one of them falls a scrape. ` +
    `The next event is published when the last has arrived. Then ${SCRAPES} scrapes one after the other of a server without streams, and of one with 15,000, each of which has a channel of its own.`,
  run,
};
