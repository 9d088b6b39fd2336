/** What `GET /metrics` costs: deliveries and emits while somebody scrapes every second, and a scrape by itself. */
import { cpuSeconds } from '../../test/support/process-facts.ts';
import { subscriptionTo } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Counted, type Load, startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, noteFaults } from './common.ts';
import { costOf, type Entrant, enter, takeTurns } from './lockstep.ts';

const STREAMS = 1_000;
const PUBLISHERS = 10;
const TURNS = 4;
/** A scrape falls into each turn of the server that is scraped. */
const TURN = { count: 1_000_000, seconds: 1 };
const WARM_UP = { count: 1_000_000, seconds: 0.8 };
const DEADLINE_SECONDS = 2;
const COST = 'CPU per delivery';
const EMIT_COST = 'CPU per emit';
const EMIT_RATE = 'emits per second';

const HOUSES = [0, 15_000];
const SCRAPES = 100;

const scrapedName = ({ name }: Peer): string => `${name}, scraped every second`;

async function scrape({ emit }: RunningPeer): Promise<string> {
  const response = await fetch(`http://${emit.host}:${emit.port}/metrics`);
  if (!response.ok) throw new Error(`/metrics was answered with ${response.status}`);
  return response.text();
}

interface Side {
  readonly subject: string;
  readonly running: RunningPeer;
  /** A scrape of the one that is scraped. */
  look(): Promise<unknown>;
}

/** Two fresh servers, one of them scraped. */
async function sidesOf(owner: Cleanup, peer: Peer): Promise<Side[]> {
  const sides: Side[] = [];
  for (const subject of [peer.name, scrapedName(peer)]) {
    const running = await peer.start(owner);
    const isScraped = subject !== peer.name;
    sides.push({ subject, running, look: async () => isScraped && scrape(running) });
  }
  return sides;
}

/** Each of the two is as often the first. */
const inOrder = <T>(both: readonly T[], turn: number): readonly T[] =>
  turn % 2 === 0 ? both : both.toReversed();

/** The next event when the last has arrived everywhere. */
function measureDeliveries(sheet: Sheet, peer: Peer, turns: number): Promise<void> {
  return withCleanup(async (owner) => {
    const both: { entrant: Entrant; look: Side['look'] }[] = [];
    for (const { subject, running, look } of await sidesOf(owner, peer)) {
      const options = { streams: STREAMS };
      const entrant = await enter(owner, { subject, running, options, warmUp: WARM_UP });
      both.push({ entrant, look });
    }
    for (let turn = 0; turn < turns; turn++)
      for (const { entrant, look } of inOrder(both, turn))
        await Promise.all([takeTurns([entrant], 1, TURN), look()]);
    for (const { entrant } of both) {
      noteFaults(sheet, entrant.subject, entrant.counted);
      sheet.add(entrant.subject, COST, 'µs', costOf(entrant).cpuUs);
    }
  });
}

const emit = (load: Load, pace: typeof TURN): Promise<Counted> =>
  load.run({ mode: 'closed', publishers: PUBLISHERS, ...pace, deadline: DEADLINE_SECONDS });

/** Nobody listens; the next emit of each publisher when its last is answered. */
function measureEmits(sheet: Sheet, peer: Peer, turns: number): Promise<void> {
  return withCleanup(async (owner) => {
    const both: { side: Side; load: Load; counted: Counted[] }[] = [];
    for (const side of await sidesOf(owner, peer)) {
      const load = await startLoad(owner, side.running, { streams: 0 });
      await emit(load, WARM_UP);
      both.push({ side, load, counted: [] });
    }
    for (let turn = 0; turn < turns; turn++)
      for (const { side, load, counted } of inOrder(both, turn))
        counted.push((await Promise.all([emit(load, TURN), side.look()]))[0]);
    for (const { side, counted } of both) {
      noteFaults(sheet, side.subject, counted);
      const sum = (of: (one: Counted) => number) => counted.reduce((all, one) => all + of(one), 0);
      const posted = sum((one) => one.posted);
      sheet.add(side.subject, EMIT_COST, 'µs', sum((one) => one.serverCpuUs) / posted);
      sheet.add(side.subject, EMIT_RATE, '/s', posted / sum((one) => one.seconds));
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
  const turns = Math.max(1, Math.round(TURNS * scale));
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      await measureDeliveries(sheet, peer, turns);
      await measureEmits(sheet, peer, turns);
      for (const streams of HOUSES) await measureScrapes(sheet, peer, streams);
      log(`${peer.name} round ${round + 1} done`);
    }
  }
  for (const peer of ours)
    for (const metric of [COST, EMIT_COST, EMIT_RATE])
      addRatios(sheet, scrapedName(peer), peer.name, metric);
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const scraped: Scenario = {
  name: 'scrape',
  title: 'Metrics: deliveries and emits while they are scraped, and what a scrape costs',
  how:
    `Two fresh servers take ${TURNS} turns of ${TURN.seconds} second in each round; into each turn of one of them falls a scrape. First with ${STREAMS.toLocaleString('en')} streams, ` +
    `where the next event is published when the last has arrived; then two others without streams, for each of which ${PUBLISHERS} connections emit as fast as they are answered. Then ${SCRAPES} scrapes one after the other of a server without streams, and of one with 15,000, each of which has a channel of its own.`,
  run,
};
