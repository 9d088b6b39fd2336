/** Coming back after a pause: a storm of many streams that missed little, and a long replay for fewer. */
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { firstEvent } from '../support/first-event.ts';
import { type Opened, startLoad } from '../support/load.ts';
import type { Peer, RunningPeer, Subscription } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { inTurns, servers } from './common.ts';

interface Shape {
  readonly streams: number;
  readonly events: number;
}

const STORM: Shape = { streams: 10_000, events: 10 };
const LONG: Shape = { streams: 1_000, events: 1_000 };

const nameOf = ({ streams, events }: Shape): string =>
  `${streams.toLocaleString('en')} streams × ${events.toLocaleString('en')} events`;

const AFTER = 'all have everything after';
const STORM_AFTER = `${nameOf(STORM)}: ${AFTER}`;

type Subscribe = (index: number) => Subscription;

/** Publishes `events` to nobody, and returns how those subscribe who were there before them. */
async function publishedBehind(
  owner: Cleanup,
  peer: RunningPeer,
  events: number,
): Promise<Subscribe | undefined> {
  if (!peer.resume) return undefined;
  const seen = await firstEvent(peer);
  const publisher = await startLoad(owner, peer, { streams: 0 });
  await publisher.run({ mode: 'closed', count: events });
  return peer.resume(seen);
}

function record(sheet: Sheet, name: string, shape: Shape, opened: Opened): void {
  const { deliveries, outOfOrder, replaySeconds, serverCpuUs } = opened;
  const expected = opened.open * shape.events;
  const what = nameOf(shape);
  sheet.add(name, `${what}: ${AFTER}`, 's', replaySeconds);
  sheet.add(name, `${what}: events per second`, '/s', deliveries / replaySeconds);
  sheet.add(name, `${what}: server CPU per stream`, 'µs', serverCpuUs / opened.open);
  sheet.add(name, `${what}: connect to head p99`, 'ms', opened.heads.p99Us / 1e3);
  if (deliveries === expected && outOfOrder === 0) return;
  const faults = `${deliveries} of ${expected} arrived, ${outOfOrder} out of order`;
  sheet.notes.add(`${name}, ${what}: ${faults}`);
}

/** A server of its own for each shape. False when it keeps no history. */
function comeBack(
  sheet: Sheet,
  peer: Peer,
  { shape, scale }: { shape: Shape; scale: number },
): Promise<boolean> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const subscribe = await publishedBehind(owner, running, shape.events);
    if (!subscribe) return false;
    const streams = Math.ceil(shape.streams * scale);
    const options = { streams, subscribe, replay: shape.events };
    const { opened } = await startLoad(owner, running, options);
    record(sheet, peer.name, shape, opened);
    return true;
  });
}

async function measure(sheet: Sheet, peer: Peer, scale: number): Promise<void> {
  const able = await comeBack(sheet, peer, { shape: STORM, scale });
  if (able) await comeBack(sheet, peer, { shape: LONG, scale });
  else sheet.notes.add(`${peer.name}: left out, keeps no history`);
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  await inTurns(sheet, settings, {
    peers: servers(settings),
    shown: STORM_AFTER,
    measure: (_, peer) => measure(sheet, peer, settings.scale),
  });
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const reconnectStorm: Scenario = {
  name: 'reconnect-storm',
  title: 'Coming back with the id of the last event',
  how:
    'The clock starts with the first connection, at most 200 being opened at a time, and stops when every stream has had every event it had missed, ' +
    'in order. Verifying the token of each stream is in it, where the server verifies any. A fresh server for each figure, servers in turn.',
  headline: { metric: STORM_AFTER, better: 'less' },
  run,
};
