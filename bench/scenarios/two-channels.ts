/** Whether an emit to two channels walks over the streams that are on both, to count each of them once. */
import { publicationFor, subscriptionTo } from '../peers/tidings.ts';
import { withCleanup } from '../support/cleanup.ts';
import { type Load, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { summarise } from '../support/stats.ts';
import { addRatios } from './common.ts';

const STREAMS = 5_000;
const CHANNELS = ['all', 'room'] as const;
/** Emits that arrive together, each on a connection of its own: answered before much is written to streams. */
const BURST = { mode: 'closed', publishers: 64, count: 64, bytes: 40, deadline: 10 } as const;
/** One event that is everywhere: what the burst before it left to write is written then. */
const SETTLING = { mode: 'lockstep', count: 1, bytes: 40, deadline: 10 } as const;
const BURSTS = 12;
const WARM_UPS = 4;
const CPU = 'CPU per emit until it is answered';

interface Prober {
  readonly subject: string;
  readonly load: Load;
}

interface Sample {
  readonly cpuUs: number;
  readonly p50Us: number;
}

/** The CPU of a burst's answers; the bytes that go to the streams are written behind them. */
async function burst(house: Load, { load }: Prober): Promise<Sample> {
  await house.run(SETTLING);
  const { serverCpuUs, posted, refused, answers } = await load.run(BURST);
  if (refused > 0) throw new Error(`${refused} of ${posted} emits refused: there is no figure`);
  return { cpuUs: serverCpuUs / posted, p50Us: answers.p50Us };
}

/** Medians of bursts: one in which the machine paused is not to count. */
function record(sheet: Sheet, { subject }: Prober, samples: readonly Sample[]): void {
  const median = (of: (sample: Sample) => number) => summarise(samples.map(of)).median;
  sheet.add(
    subject,
    CPU,
    'µs',
    median(({ cpuUs }) => cpuUs),
  );
  sheet.add(subject, 'answer p50', 'ms', median(({ p50Us }) => p50Us) / 1e3);
}

const subjectOf = (peer: Peer, channels: number): string =>
  `${peer.name}, ${channels === 1 ? 'one channel' : `${channels} channels`}`;

function measure(sheet: Sheet, peer: Peer, scale: number): Promise<void> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const subscribe = (index: number) => subscriptionTo(index, CHANNELS);
    const publication = publicationFor('*', CHANNELS[0]);
    const house = await startLoad(owner, running, { streams: STREAMS, subscribe, publication });
    const probers: Prober[] = [];
    for (const channels of [CHANNELS.slice(0, 1), CHANNELS]) {
      const to = { streams: 0, publication: publicationFor('*', ...channels) };
      const load = await startLoad(owner, running, to);
      probers.push({ subject: subjectOf(peer, channels.length), load });
    }
    const samples = probers.map((): Sample[] => []);
    for (let turn = -WARM_UPS; turn < Math.ceil(BURSTS * scale); turn++) {
      for (const [i, prober] of probers.entries()) {
        const sample = await burst(house, prober);
        if (turn >= 0) samples[i]!.push(sample);
      }
    }
    for (const [i, prober] of probers.entries()) record(sheet, prober, samples[i]!);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) await measure(sheet, peer, scale);
    log(`round ${round + 1} done`);
  }
  const pairs = ours.map((peer) => [subjectOf(peer, 2), subjectOf(peer, 1)] as const);
  for (const [two, one] of pairs) addRatios(sheet, two, one, CPU);
  const targets = pairs.map(([subject, over]) => ({ subject, over, metric: CPU, atMost: 1.25 }));
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const twoChannels: Scenario = {
  name: 'two-channels',
  title: `Emits to two channels, ${STREAMS.toLocaleString('en')} streams on both`,
  how:
    `Broadcasts to one channel or to both, ${BURST.count} at once from as many connections, no two bursts before the events of the last have arrived. ` +
    'The clock is the CPU of the server process and stops with the last answer: what is sent to the streams comes after it, but for its beginning. ' +
    `The CPU of taking the connections is in both. Medians of ${BURSTS} bursts, in turn. Two channels are to cost a second entry, not a walk over the streams.`,
  run,
};
