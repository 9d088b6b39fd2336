/** An event for one user of many: what a server pays that looks for that user among all streams. */
import type { Cleanup } from '../support/cleanup.ts';
import { type Load, type Run, startLoad } from '../support/load.ts';
import type { RunningPeer } from '../support/peer.ts';
import { NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet } from '../support/scenario.ts';
import { noteFaults, rounds, serversAndFloor, type Turn } from './common.ts';

const STREAMS = 10_000;
/** The one user that events are for; users 0 to 9,998 are the others. */
const USER = STREAMS - 1;
const PUBLISHERS = 4;
const WARM_UP_SECONDS = 0.3;
const SECONDS = 1.2;
/** More than any server can take: the seconds end a run. */
const EVENTS = 1_000_000;
const DEADLINE_SECONDS = 5;
const RATE = 'events per second, 4 connections';

/** The one stream is read by a process of its own, which is not busy with ten thousand. */
async function openOne(owner: Cleanup, peer: RunningPeer): Promise<Load | undefined> {
  const publication = peer.toUser?.(USER);
  if (!publication) return undefined;
  await startLoad(owner, peer, { streams: STREAMS - 1 });
  return startLoad(owner, peer, { streams: 1, firstUser: USER, publication });
}

async function measure(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
  const load = await openOne(owner, await peer.start(owner));
  if (!load) return void sheet.notes.add(`${peer.name}: cannot publish to one user`);
  const timed = (mode: Run['mode'], seconds: number, publishers = 1) =>
    load.run({
      ...{ mode, publishers, seconds: seconds * scale },
      ...{ count: EVENTS, deadline: DEADLINE_SECONDS },
    });
  await timed('lockstep', WARM_UP_SECONDS);
  const single = await timed('lockstep', SECONDS);
  const full = await timed('closed', SECONDS, PUBLISHERS);
  noteFaults(sheet, peer.name, [single, full]);
  sheet.add(peer.name, RATE, '/s', full.deliveries / full.seconds);
  sheet.add(
    peer.name,
    'CPU per emit, one after the other',
    'µs',
    single.serverCpuUs / single.posted,
  );
  sheet.add(peer.name, 'emit to receive p50', 'ms', single.latency.p50Us / 1e3);
  sheet.add(peer.name, 'emit to receive p99', 'ms', single.latency.p99Us / 1e3);
}

export const oneUser: Scenario = {
  name: 'one-user',
  title: 'Events for one user of 10,000, each with a stream',
  how:
    `Events for one user while 9,999 others have idle streams. For ${SECONDS} seconds each: the next one when the last has arrived (CPU, latency), ` +
    `then from ${PUBLISHERS} connections as fast as they are answered; what counts is what arrived. A fresh server for each round, servers in turn, after a warm-up.`,
  headline: { metric: RATE, better: 'more' },
  run: rounds({
    peers: serversAndFloor,
    shown: RATE,
    measure,
    targets: [{ subject: OURS, over: NCHAN, metric: RATE, atLeast: 1 }],
  }),
};
