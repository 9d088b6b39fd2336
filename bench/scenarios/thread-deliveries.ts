/** Deliveries with one thread and with two, which take turns on the same cores as their readers. */
import { tidings, tidingsWith } from '../peers/tidings.ts';
import { withCleanup } from '../support/cleanup.ts';
import type { Counted } from '../support/load.ts';
import type { Sheet, Target } from '../support/scenario.ts';
import { median } from '../support/stats.ts';
import { addRatios, noteFaults } from './common.ts';
import { type Couple, coupleOf, publish } from './couple.ts';
import { costOf, type Entrant, enter, takeTurns } from './lockstep.ts';

export const ONE = tidings;
export const TWO = tidingsWith(2);

const CROWDS = [1_000, 5_000];
const TURNS = 6;
const DELIVERIES_PER_TURN = 50_000;
const TURN_SECONDS = 0.4;
/** First: a thread compiles what it has run often, and with two each has run half as much. */
const WARM_UP = { mode: 'closed', publishers: 16, count: 1_000_000, seconds: 2 } as const;
/** By the clock: a quarter of what one thread can do, in events that come one by one. */
const PACED_PER_SECOND = 40_000;
const PACED_SECONDS = 5;
const PACED_TURNS = 4;
/** So many, each when the last is answered. */
const EVENTS = 1_000;
const PUBLISHER_TURNS = 5;
const PUBLISHER_WARM_UPS = 2;
/** Next to the server they get a thirtieth of a core: clients elsewhere would take none of it. */
const READERS_NICE = 15;

const named = (what: string) => (streams: number) =>
  `${streams.toLocaleString('en')} streams: ${what}`;
const cost = named('CPU per delivery');
const lockstep = named('deliveries per second, the next event when the last is everywhere');
const left = named('cores left by the generator');
const allowed = named('such deliveries per second that two cores allow');
const last = named(
  `emit to last stream p99, ${PACED_PER_SECOND.toLocaleString('en')} deliveries/s by the clock`,
);
const rate = named('deliveries per second, one publisher as fast as it is answered');
const answered = named('its answers p50');

/** One round. */
export async function deliveries(sheet: Sheet, scale: number): Promise<void> {
  for (const streams of CROWDS) {
    await oneByOne(sheet, { streams, scale });
    await asAnswered(sheet, { streams, scale });
  }
}

interface Crowd {
  readonly streams: number;
  readonly scale: number;
}

/** One publisher, the next event when the last has arrived everywhere; then by the clock. */
async function oneByOne(sheet: Sheet, crowd: Crowd): Promise<void> {
  const { streams, scale } = crowd;
  const pace = {
    count: Math.ceil((DELIVERIES_PER_TURN * scale) / streams),
    seconds: TURN_SECONDS * scale,
  };
  await withCleanup(async (owner) => {
    const entrants: Entrant[] = [];
    for (const peer of [ONE, TWO]) {
      const running = await peer.start(owner);
      const entry = { subject: peer.name, running, options: { streams }, warmUp: pace };
      entrants.push(await enter(owner, entry));
    }
    for (const { load } of entrants)
      await load.run({ ...WARM_UP, seconds: WARM_UP.seconds * scale });
    await takeTurns(entrants, TURNS, pace);
    for (const entrant of entrants) recordCost(sheet, entrant, streams);
    await byTheClock(sheet, entrants, crowd);
  });
}

function recordCost(sheet: Sheet, entrant: Entrant, streams: number): void {
  const { subject, counted } = entrant;
  noteFaults(sheet, `${subject}, ${streams} streams`, counted);
  const { cpuUs, perSecond, loadShare } = costOf(entrant);
  sheet.add(subject, cost(streams), 'µs', cpuUs);
  sheet.add(subject, lockstep(streams), '/s', perSecond);
  // Two cores, of which the generator takes so much; one thread can fill one of them at most.
  sheet.add(subject, left(streams), '', Math.max(1, 2 - loadShare));
  // If neither core ever waited for the other.
  sheet.add(subject, allowed(streams), '/s', 2e6 / (cpuUs + (loadShare * 1e6) / perSecond));
}

async function byTheClock(
  sheet: Sheet,
  entrants: readonly Entrant[],
  { streams, scale }: Crowd,
): Promise<void> {
  const perSecond = PACED_PER_SECOND / streams;
  const run = {
    mode: 'rate',
    perSecond,
    count: Math.ceil(perSecond * PACED_SECONDS * scale),
  } as const;
  const counted = entrants.map((): Counted[] => []);
  for (let turn = 0; turn < PACED_TURNS; turn += 1)
    for (const [i, { load }] of entrants.entries()) counted[i]!.push(await load.run(run));
  for (const [i, { subject }] of entrants.entries()) {
    noteFaults(sheet, `${subject}, ${streams} streams by the clock`, counted[i]!);
    const p99 = counted[i]!.map(({ lastStream }) => lastStream.p99Us / 1e3);
    sheet.add(subject, last(streams), 'ms', median(p99));
  }
}

interface Entry {
  readonly couple: Couple;
  readonly rates: number[];
  readonly answers: number[];
}

/** One publisher, the next event when the last is answered. */
async function asAnswered(sheet: Sheet, { streams, scale }: Crowd): Promise<void> {
  const run = { mode: 'closed', count: Math.ceil(EVENTS * scale) } as const;
  await withCleanup(async (owner) => {
    const entries: Entry[] = [];
    for (const peer of [ONE, TWO]) {
      const couple = await coupleOf(owner, peer, { streams, nice: READERS_NICE });
      entries.push({ couple, rates: [], answers: [] });
    }
    for (let turn = 0; turn < PUBLISHER_WARM_UPS; turn += 1)
      for (const { couple } of entries) await publish(couple, run);
    for (let turn = 0; turn < PUBLISHER_TURNS; turn += 1)
      for (const { couple, rates, answers } of entries) {
        const { posted, arrived } = await publish(couple, run);
        noteFaults(sheet, `${couple.name}, ${streams} streams as answered`, [arrived]);
        rates.push(arrived.deliveries / arrived.seconds);
        answers.push(posted.answers.p50Us / 1e3);
      }
    for (const { couple, rates, answers } of entries) {
      sheet.add(couple.name, rate(streams), '/s', median(rates));
      sheet.add(couple.name, answered(streams), 'ms', median(answers));
    }
  });
}

/** Adds what two threads have beside one; after the last round. */
export function compare(sheet: Sheet): void {
  for (const metric of CROWDS.flatMap((n) => [cost(n), lockstep(n), last(n), rate(n)]))
    addRatios(sheet, TWO.name, ONE.name, metric);
}

export function targets(): Target[] {
  const beside = { subject: TWO.name, over: ONE.name };
  return CROWDS.flatMap((streams) => [
    { ...beside, metric: cost(streams), atMost: 1.1 },
    { ...beside, metric: rate(streams), atLeast: 1.3 },
    { ...beside, metric: last(streams), atMost: 1 },
  ]);
}

export const HOW =
  'Deliveries, of servers that have run for a few seconds: one publisher, the next event when the last has arrived everywhere, which gives the CPU of each; the load generator runs on the same two cores: how much it leaves of them stands beside, and how many such deliveries two cores would allow if neither ever waited, calculated from the CPU that server and generator take for one. ' +
  `Then by the clock, ${PACED_PER_SECOND.toLocaleString('en')} deliveries a second, in turns of ${PACED_SECONDS} s, which have ${CROWDS.map((streams) => (PACED_PER_SECOND / streams) * PACED_SECONDS).join(' and ')} events. Then one publisher that posts the next of ${EVENTS.toLocaleString('en')} events when the last is answered, as a backend does: it is a process of its own, and so are the streams, which give way to the server (\`nice\` ${READERS_NICE}), since clients elsewhere would take none of its cores; counted until the last event is everywhere.`;
