/** Whether streams that nobody reads delay the others. */
import { publicationFor } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { faults, type Load, startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios } from './common.ts';

const LIVE = 900;
const STUCK = 100;
/** The one user whose streams are stuck; the others are users 0 to 899. */
const STUCK_USER = 1_000_000;
/** 6 MB for every stuck stream: more than both kernel buffers of a connection take. */
const FILL = { count: 200, bytes: 30_000 };
/** A stuck stream is closed after a while: the run is over before that. */
const EVENTS = 60;
/** Short rounds and more of them: a pause of the machine spoils one, not the median. */
const ROUNDS_PER_RUN = 2;
const EVENTS_PER_SECOND = 25;
/** What filling the stuck streams has left to do is done before the clock runs. */
const SETTLING_EVENTS = 20;
const P99 = 'emit to receive p99';

async function openStuck(owner: Cleanup, peer: RunningPeer): Promise<Load> {
  const options = { firstUser: STUCK_USER, users: 1 };
  const stuck = await startLoad(owner, peer, { streams: STUCK, stuck: true, ...options });
  const publication = publicationFor(`user-${STUCK_USER}`);
  const filler = await startLoad(owner, peer, { streams: 0, publication });
  await filler.run({ mode: 'closed', ...FILL });
  return stuck;
}

async function record(sheet: Sheet, subject: string, load: Load, count: number): Promise<void> {
  await load.run({ mode: 'lockstep', count: SETTLING_EVENTS });
  const counted = await load.run({ mode: 'rate', perSecond: EVENTS_PER_SECOND, count });
  for (const fault of faults(counted)) sheet.notes.add(`${subject}: ${fault}`);
  sheet.add(subject, 'emit to receive p50', 'ms', counted.latency.p50Us / 1e3);
  sheet.add(subject, P99, 'ms', counted.latency.p99Us / 1e3);
}

/** The same live streams are measured with and without: only the stuck ones come and go. */
async function round(sheet: Sheet, name: string, peer: RunningPeer, live: Load, events: number) {
  await record(sheet, `${name}, all read`, live, events);
  await withCleanup(async (owner) => {
    const stuck = await openStuck(owner, peer);
    await record(sheet, `${name}, ${STUCK} stuck`, live, events);
    const { streams } = await stuck.run({ mode: 'closed', count: 0 });
    sheet.add(`${name}, ${STUCK} stuck`, 'stuck streams still open at the end', '', streams);
  });
}

function measure(sheet: Sheet, peer: Peer, { runs, scale, log }: Settings): Promise<void> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const live = await startLoad(owner, running, { streams: LIVE });
    await live.run({ mode: 'lockstep', count: Math.ceil(300 * scale) });
    for (let i = 0; i < runs * ROUNDS_PER_RUN; i++) {
      await round(sheet, peer.name, running, live, Math.ceil(EVENTS * scale));
      log(`${peer.name} round ${i + 1} done`);
    }
  });
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (const peer of settings.ours) await measure(sheet, peer, settings);
  for (const { name } of settings.ours) {
    addRatios(sheet, `${name}, ${STUCK} stuck`, `${name}, all read`, P99);
  }
  const subject = `tidings, ${STUCK} stuck / tidings, all read`;
  return {
    rows: sheet.rows(),
    targets: [{ subject, metric: P99, atMost: 1.2 }],
    notes: [...sheet.notes],
  };
}

export const stuckReaders: Scenario = {
  name: 'stuck-readers',
  title: 'Latency of 900 streams, with and without 100 streams that nobody reads',
  how:
    `${EVENTS} broadcasts at ${EVENTS_PER_SECOND} a second, timed from when the emit was due to the arrival at each stream. ` +
    'The stuck streams are opened, sent 6 MB each, and never read; they come and go, the live streams and the server stay.',
  run,
};
