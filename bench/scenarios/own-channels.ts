/** What it costs that every stream has a channel of its own beside the one that all share. */
import { publicationFor, subscriptionTo } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, noteFaults } from './common.ts';
import { costOf, type Entrant, enter, takeTurns } from './lockstep.ts';

const HOUSES = [1_000, 5_000, 10_000];
/** A house that emits to one of its streams as well; so many are enough to see a walk over streams. */
const TARGETED = 10_000;
const TURNS = 8;
const DELIVERIES_PER_TURN = 50_000;
const TURN_SECONDS = 0.4;
const TARGETED_RUN = { mode: 'lockstep', count: 1_000, seconds: 0.5, deadline: 5 } as const;
const ALL = 'all';

/** Whose channel is whose: `own` names the second channel of stream number `index`. */
interface Layout {
  readonly name: string;
  own(index: number): string;
}

/** Two channels for each stream in both, so that only the sets differ. */
const SHARED: Layout = { name: 'one set of channels for all', own: () => 'everybody' };
const OWN: Layout = { name: 'channels of their own', own: (index) => `user-${index}` };

const cost = (streams: number): string =>
  `${streams.toLocaleString('en')} streams: CPU per delivery`;

const subjectOf = (peer: Peer, layout: Layout): string => `${peer.name}, ${layout.name}`;

const subscribing =
  ({ own }: Layout) =>
  (index: number) =>
    subscriptionTo(index, [ALL, own(index)]);

interface House {
  readonly streams: number;
  readonly running: RunningPeer;
  readonly entrant: Entrant;
  readonly layout: Layout;
}

interface Asked {
  readonly peer: Peer;
  readonly layout: Layout;
  readonly streams: number;
  readonly scale: number;
}

async function fill(owner: Cleanup, { peer, layout, streams, scale }: Asked): Promise<House> {
  const running = await peer.start(owner);
  const publication = publicationFor('*', ALL);
  const options = { streams, subscribe: subscribing(layout), publication };
  const warmUp = pace(streams, scale * 2);
  const entrant = await enter(owner, {
    subject: subjectOf(peer, layout),
    running,
    options,
    warmUp,
  });
  return { streams, running, entrant, layout };
}

const pace = (streams: number, scale: number) => ({
  count: Math.ceil((DELIVERIES_PER_TURN * scale) / streams),
  seconds: TURN_SECONDS * scale,
});

/** To the one stream on the channel: where all share one, to its user there. */
async function target(sheet: Sheet, owner: Cleanup, house: House): Promise<void> {
  const { running, layout, streams: user, entrant } = house;
  const to = layout === OWN ? '*' : `user-${user}`;
  const publication = publicationFor(to, layout.own(user));
  const subscribe = () => subscribing(layout)(user);
  const load = await startLoad(owner, running, { streams: 1, subscribe, publication });
  const counted = await load.run(TARGETED_RUN);
  noteFaults(sheet, `${entrant.subject}, to one stream`, [counted]);
  const cpuUs = counted.serverCpuUs / counted.posted;
  sheet.add(entrant.subject, 'to one stream of 10,000: CPU per emit', 'µs', cpuUs);
  const p50 = counted.latency.p50Us / 1e3;
  sheet.add(entrant.subject, 'to one stream of 10,000: emit to receive p50', 'ms', p50);
}

function record(sheet: Sheet, { streams, entrant }: House): void {
  noteFaults(sheet, `${entrant.subject}, ${streams} streams`, entrant.counted);
  const { cpuUs, userUs } = costOf(entrant);
  sheet.add(entrant.subject, cost(streams), 'µs', cpuUs);
  sheet.add(entrant.subject, `${cost(streams)} in user space`, 'µs', userUs);
}

/** A fresh server for each of the two layouts, taking turns. */
function measure(sheet: Sheet, peer: Peer, asked: Pick<Asked, 'streams' | 'scale'>): Promise<void> {
  const { streams, scale } = asked;
  return withCleanup(async (owner) => {
    const houses: House[] = [];
    for (const layout of [SHARED, OWN])
      houses.push(await fill(owner, { peer, layout, streams, scale }));
    const entrants = houses.map(({ entrant }) => entrant);
    await takeTurns(entrants, TURNS, pace(streams, scale));
    for (const house of houses) {
      record(sheet, house);
      if (streams === TARGETED) await target(sheet, owner, house);
    }
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      for (const streams of HOUSES) await measure(sheet, peer, { streams, scale });
      log(`${peer.name} round ${round + 1} done`);
    }
  }
  const pairs = ours.map((peer) => [subjectOf(peer, OWN), subjectOf(peer, SHARED)] as const);
  for (const [own, shared] of pairs)
    for (const streams of HOUSES) addRatios(sheet, own, shared, cost(streams));
  const targets = pairs.flatMap(([subject, over]) =>
    HOUSES.map((streams) => ({ subject, over, metric: cost(streams), atMost: 1.1 })),
  );
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const ownChannels: Scenario = {
  name: 'own-channels',
  title: 'CPU per delivery where every stream has a channel of its own',
  how:
    'Each stream is on two channels: the one that the broadcasts go to, and a second, which is the same for all streams or another for each. ' +
    'The next event is published when the last has arrived at all streams. Two fresh servers for each round and number of streams, ' +
    `which take ${TURNS} turns of ${DELIVERIES_PER_TURN.toLocaleString('en')} deliveries or of ${TURN_SECONDS} seconds after a warm-up. ` +
    "Events to one stream of 10,000 go to the channel that it alone has, or to its user on the channel that all have; the next one when the last has arrived. CPU is the server process's own clock.",
  run,
};
