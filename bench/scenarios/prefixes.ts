/** What it costs that an event goes to streams by the prefixes above its channel. */
import { publicationFor, subscriptionTo } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, noteFaults } from './common.ts';
import { costOf, type Entrant, enter, takeTurns } from './lockstep.ts';

const STREAMS = 10_000;
const TURNS = 10;
const DELIVERIES_PER_TURN = 50_000;
const TURN_SECONDS = 0.5;
const COST = 'CPU per delivery';

const PLAIN = 'chat';
const DEEP = 'a/b/c/d/e/f/g/h';
const LEVELS = DEEP.split('/');
/** Of all prefixes above it, the shortest first. */
const ABOVE = LEVELS.slice(1).map((_, i) => `${LEVELS.slice(0, i + 1).join('/')}/*`);

/** Which channel an event goes to, and which one stream number `index` names. */
interface Layout {
  readonly name: string;
  readonly channel: string;
  named(index: number): string;
  /** Of what it costs by name. */
  readonly atMost: number;
}

const BY_NAME: Layout = { name: 'by name', channel: PLAIN, named: () => PLAIN, atMost: 1 };
const ONE: Layout = { name: 'by one prefix', channel: DEEP, named: () => ABOVE[0]!, atMost: 1.05 };
// Seven ranges, and streams that lie apart in memory: as if the emit had named seven channels.
const ALL: Layout = {
  name: `by ${ABOVE.length} prefixes`,
  channel: DEEP,
  named: (index) => ABOVE[index % ABOVE.length]!,
  atMost: 1.1,
};
const LAYOUTS = [BY_NAME, ONE, ALL];

const subjectOf = (peer: Peer, { name }: Layout): string => `${peer.name}, ${name}`;

const pace = (scale: number) => ({
  count: Math.ceil((DELIVERIES_PER_TURN * scale) / STREAMS),
  seconds: TURN_SECONDS * scale,
});

async function fill(owner: Cleanup, peer: Peer, layout: Layout, scale: number): Promise<Entrant> {
  return enter(owner, {
    subject: subjectOf(peer, layout),
    running: await peer.start(owner),
    options: {
      streams: STREAMS,
      subscribe: (index) => subscriptionTo(index, [layout.named(index)]),
      publication: publicationFor('*', layout.channel),
    },
    warmUp: pace(scale * 2),
  });
}

/** A fresh server for each layout, taking turns. */
function measure(sheet: Sheet, peer: Peer, scale: number): Promise<void> {
  return withCleanup(async (owner) => {
    const entrants: Entrant[] = [];
    for (const layout of LAYOUTS) entrants.push(await fill(owner, peer, layout, scale));
    await takeTurns(entrants, TURNS, pace(scale));
    for (const entrant of entrants) {
      noteFaults(sheet, entrant.subject, entrant.counted);
      const { cpuUs, userUs } = costOf(entrant);
      sheet.add(entrant.subject, COST, 'µs', cpuUs);
      sheet.add(entrant.subject, `${COST} in user space`, 'µs', userUs);
    }
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) await measure(sheet, peer, scale);
    log(`round ${round + 1} done`);
  }
  const targets = ours.flatMap((peer) =>
    [ONE, ALL].map((layout) => ({
      subject: subjectOf(peer, layout),
      over: subjectOf(peer, BY_NAME),
      metric: COST,
      atMost: layout.atMost,
    })),
  );
  for (const { subject, over } of targets) addRatios(sheet, subject, over, COST);
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const prefixes: Scenario = {
  name: 'prefixes',
  title: `CPU per delivery by prefix, ${STREAMS.toLocaleString('en')} streams`,
  how:
    `Broadcasts to a channel that all streams name, or to one of ${LEVELS.length} levels, which all of them take by the shortest prefix above it, ` +
    `or by one of the ${ABOVE.length} prefixes there are. The next event is published when the last has arrived at all streams. ` +
    `Three fresh servers for each round, which take ${TURNS} turns of ${DELIVERIES_PER_TURN.toLocaleString('en')} deliveries or of ${TURN_SECONDS} seconds after a warm-up. ` +
    "CPU is the server process's own clock.",
  run,
};
