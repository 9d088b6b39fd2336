/** What `-threads` costs, and what it brings, on a machine with two cores. */
import { readFileSync } from 'node:fs';
import { addonStreams } from '../peers/addon.ts';
import { nchanAsking, nchanTwoWorkers } from '../peers/nchan.ts';
import { tidingsWith } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { settledKib } from '../support/procfs.ts';
import {
  type Result,
  type Scenario,
  type Settings,
  Sheet,
  type Target,
} from '../support/scenario.ts';
import { median } from '../support/stats.ts';
import { addRatios, inTurns, noteFaults } from './common.ts';
import { coupleOf, publish } from './couple.ts';
import { compare, deliveries, HOW, ONE, TWO, targets } from './thread-deliveries.ts';

const STORM = 10_000;
const PUBLISHERS = 16;
const PUBLISH_SECONDS = 10;
const PUBLISH_STREAMS = 1_000;
/** More than can be posted in that time. */
const EVENTS = 1_000_000;
const IDLE_THREADS = [1, 2, 4, 8];
const IDLE_EMITS = 30_000;
/** For which the limit is calculated. */
const CORES = [8, 32];

const RIVALS: readonly Peer[] = [nchanTwoWorkers, nchanAsking];

const STORM_SECONDS = 'all 10,000 streams are live after';
const LAG = '16 publishers for 10 s, 1,000 streams: emit to arrival p99';
const GROWTH = '16 publishers for 10 s: p99 of the last 3 s by that of the first 3';
const EMIT_CPU = 'CPU of the main thread per emit, no streams';
const MEMORY = 'memory before any stream';

async function storm(sheet: Sheet, owner: Cleanup, peer: Peer, scale: number): Promise<void> {
  const running = await peer.start(owner);
  const { opened } = await startLoad(owner, running, { streams: Math.ceil(STORM * scale) });
  sheet.add(peer.name, STORM_SECONDS, 's', opened.openSeconds);
}

async function flood(sheet: Sheet, owner: Cleanup, peer: Peer, scale: number): Promise<void> {
  const couple = await coupleOf(owner, peer, { streams: PUBLISH_STREAMS });
  const closed = { mode: 'closed', publishers: PUBLISHERS, count: EVENTS } as const;
  await publish(couple, { ...closed, seconds: 1 });
  const { posted, arrived } = await publish(couple, {
    ...closed,
    seconds: PUBLISH_SECONDS * scale,
  });
  noteFaults(sheet, `${peer.name}, ${PUBLISHERS} publishers`, [arrived]);
  sheet.add(peer.name, LAG, 'ms', arrived.latency.p99Us / 1e3);
  sheet.add(peer.name, '16 publishers: emits per second', '/s', posted.posted / posted.seconds);
  const seconds = (arrived.p99UsBySecond ?? []).map((us) => us / 1e3);
  if (seconds.length < 6) return;
  sheet.add(peer.name, GROWTH, '×', median(seconds.slice(-3)) / median(seconds.slice(0, 3)));
  const list = seconds.map((ms) => ms.toFixed(1)).join(', ');
  sheet.notes.add(`${peer.name}, 16 publishers: p99 second by second, in ms: ${list}`);
}

/** Of one thread, in nanoseconds. */
const threadCpuNs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ')[0]);

async function emitToNobody(sheet: Sheet, owner: Cleanup, running: RunningPeer): Promise<void> {
  const pid = running.pids[0]!;
  sheet.add(running.name, MEMORY, 'MiB', (await settledKib([pid])) / 1_024);
  const load = await startLoad(owner, running, { streams: 0 });
  const closed = { mode: 'closed', publishers: PUBLISHERS, count: IDLE_EMITS } as const;
  await load.run(closed);
  const before = threadCpuNs(pid);
  const { posted } = await load.run(closed);
  sheet.add(running.name, EMIT_CPU, 'µs', (threadCpuNs(pid) - before) / 1e3 / posted);
}

/** What a thread more costs the main thread, from the figures of this round; a straight line through them. */
function calculate(sheet: Sheet, round: number): void {
  const figures = IDLE_THREADS.slice(1).map((threads) => ({
    threads,
    us: sheet.samples(tidingsWith(threads).name, EMIT_CPU)[round]!,
  }));
  const [first, end] = [figures[0]!, figures.at(-1)!];
  const perThread = Math.max(0, (end.us - first.us) / (end.threads - first.threads));
  sheet.add('calculated', 'main thread: a thread more, per emit', 'µs', perThread);
  for (const cores of CORES) {
    // One core for the main thread.
    const us = first.us + perThread * (cores - 1 - first.threads);
    sheet.add('calculated', `${cores} cores: emits per second at most`, '/s', 1e6 / us);
  }
}

async function run(settings: Settings): Promise<Result> {
  const { runs, scale, log } = settings;
  const sheet = new Sheet();
  for (let round = 0; round < runs; round += 1) {
    await deliveries(sheet, scale);
    for (const threads of IDLE_THREADS) {
      const peer = threads === 1 ? ONE : tidingsWith(threads);
      await withCleanup(async (owner) => emitToNobody(sheet, owner, await peer.start(owner)));
    }
    calculate(sheet, round);
    log(`threads: round ${round + 1} of ${runs} of deliveries and emits`);
  }
  const rivals = RIVALS.filter((peer) => peer.missing() === undefined);
  await inTurns(sheet, settings, {
    peers: [ONE, TWO, addonStreams, ...rivals],
    shown: STORM_SECONDS,
    measure: (owner, peer) => storm(sheet, owner, peer, scale),
  });
  await inTurns(sheet, settings, {
    peers: [ONE, TWO],
    shown: LAG,
    measure: (owner, peer) => flood(sheet, owner, peer, scale),
  });
  compare(sheet);
  addRatios(sheet, TWO.name, ONE.name, LAG);
  for (const { name } of [addonStreams, ...rivals]) addRatios(sheet, TWO.name, name, STORM_SECONDS);
  return { rows: sheet.rows(), targets: targetsBeside(rivals), notes: [...sheet.notes] };
}

function targetsBeside(rivals: readonly Peer[]): Target[] {
  const beside = { subject: TWO.name, over: ONE.name };
  return [
    ...targets(),
    { ...beside, metric: LAG, atMost: 1 },
    { subject: TWO.name, metric: GROWTH, atMost: 1.5 },
    ...rivals.map(({ name }) => ({ ...beside, over: name, metric: STORM_SECONDS, atMost: 1 })),
  ];
}

export const threads: Scenario = {
  name: 'threads',
  title: 'One thread and two',
  how:
    `The same server with one thread and with two for streams beside the main one, which take turns. ${HOW} ` +
    `Opening as in the scenario of that name, beside Nchan with two workers, which look at no token, beside the same when they ask a backend who may open a stream, and beside two threads with the addon alone, which only answer: what can be had with it on these cores. ` +
    `The bound on lag: ${PUBLISHERS} publishers as fast as they are answered, for ${PUBLISH_SECONDS} s, and the readers another process. ` +
    `How far it goes: CPU of the main thread for ${IDLE_EMITS.toLocaleString('en')} emits to nobody with 1, 2, 4 and 8 threads; from what each further one costs, the rate at which the main thread of a machine with 8 and 32 cores would fill its core is calculated, not measured.`,
  own: [TWO, addonStreams, ...RIVALS],
  run,
};
