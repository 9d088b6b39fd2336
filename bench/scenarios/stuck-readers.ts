/** Whether streams that nobody reads delay the others, and what memory they take. */
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Load, startLoad } from '../support/load.ts';
import type { Peer, Publication, RunningPeer } from '../support/peer.ts';
import { memoryKib } from '../support/procfs.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, inTurns, noteFaults, servers } from './common.ts';

const LIVE = 900;
const STUCK = 100;
/** The one user whose streams are stuck; the others are users 0 to 899. */
const STUCK_USER = 1_000_000;
/** 6 MB for every stuck stream: more than both kernel buffers of a connection take. */
const FILL = { count: 200, bytes: 30_000, seconds: 3, deadline: 5 };
/** A stuck stream is closed after a while: the run is over before that. */
const EVENTS = 50;
const EVENTS_PER_SECOND = 25;
/** What filling the stuck streams has left to do is done before the clock runs. */
const SETTLING = { mode: 'lockstep', count: 20, seconds: 0.5, deadline: 3 } as const;
/** Alone, rounds are cheap: a pause of the machine spoils one, not the median. */
const ROUNDS = { alone: 3, compared: 1 };
const P99 = 'emit to receive p99';

const allRead = (name: string): string => `${name}, all read`;
const someStuck = (name: string): string => `${name}, ${STUCK} stuck`;

/** Rejects where a server does not take what is to fill them: the figures would be of streams that are not stuck. */
async function openStuck(owner: Cleanup, peer: RunningPeer, to: Publication): Promise<Load> {
  const options = { firstUser: STUCK_USER, users: 1 };
  const stuck = await startLoad(owner, peer, { streams: STUCK, stuck: true, ...options });
  const filler = await startLoad(owner, peer, { streams: 0, publication: to });
  const { posted, refused } = await filler.run({ mode: 'closed', ...FILL });
  if (refused > 0) throw new Error(`${refused} of ${posted} posts of ${FILL.bytes} bytes refused`);
  return stuck;
}

async function record(sheet: Sheet, subject: string, load: Load, count: number): Promise<void> {
  await load.run(SETTLING);
  const rate = { mode: 'rate', perSecond: EVENTS_PER_SECOND, deadline: 5 } as const;
  const counted = await load.run({ ...rate, count });
  noteFaults(sheet, subject, [counted]);
  sheet.add(subject, 'emit to receive p50', 'ms', counted.latency.p50Us / 1e3);
  sheet.add(subject, P99, 'ms', counted.latency.p99Us / 1e3);
}

interface Round {
  readonly name: string;
  readonly peer: RunningPeer;
  readonly live: Load;
  readonly events: number;
  readonly fill: Publication;
}

/** The same live streams are measured with and without: only the stuck ones come and go. */
async function measureBoth(sheet: Sheet, { name, peer, live, events, fill }: Round): Promise<void> {
  await record(sheet, allRead(name), live, events);
  const before = memoryKib(peer.pids);
  await withCleanup(async (owner) => {
    const stuck = await openStuck(owner, peer, fill);
    const subject = someStuck(name);
    await record(sheet, subject, live, events);
    sheet.add(
      subject,
      'memory of the server, growth',
      'MiB',
      (memoryKib(peer.pids) - before) / 1024,
    );
    const { streams } = await stuck.run({ mode: 'closed', count: 0 });
    sheet.add(subject, 'stuck streams still open at the end', '', streams);
  });
}

async function measure(sheet: Sheet, owner: Cleanup, peer: Peer, settings: Settings) {
  const running = await peer.start(owner);
  const fill = running.toUser?.(STUCK_USER);
  if (!fill) return void sheet.notes.add(`${peer.name}: left out, cannot publish to one user`);
  const live = await startLoad(owner, running, { streams: LIVE });
  await live.run({ mode: 'lockstep', count: 200, seconds: 0.5, deadline: 3 });
  const events = Math.ceil(EVENTS * settings.scale);
  const rounds = settings.rivals.length > 0 ? ROUNDS.compared : ROUNDS.alone;
  for (let i = 0; i < rounds; i++)
    await measureBoth(sheet, { name: peer.name, peer: running, live, events, fill });
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  const peers = servers(settings);
  await inTurns(sheet, settings, {
    peers,
    shown: P99,
    subject: someStuck,
    measure: (owner, peer) => measure(sheet, owner, peer, settings),
  });
  for (const { name } of peers) addRatios(sheet, someStuck(name), allRead(name), P99);
  const [subject, over] = [someStuck('tidings'), allRead('tidings')];
  const targets = [{ subject, over, metric: P99, atMost: 1.2 }];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const stuckReaders: Scenario = {
  name: 'stuck-readers',
  title: 'Latency of 900 streams, with and without 100 streams that nobody reads',
  how:
    `${EVENTS} broadcasts at ${EVENTS_PER_SECOND} a second, timed from when the emit was due to the arrival at each stream. ` +
    'The stuck streams are opened, sent 6 MB each, and never read; the live streams and the server stay. ' +
    "Memory is what the server's processes have written; what it does not hold is in the buffers of the kernel, is thrown away, or was closed.",
  headline: { metric: P99, better: 'less' },
  run,
};
