/** Coming back with `Last-Event-ID`: one long replay for many, and a storm of many with a short one. */
import type { Cleanup } from '../support/cleanup.ts';
import { withCleanup } from '../support/cleanup.ts';
import { firstEvent } from '../support/first-event.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';

const LONG = { streams: 1_000, events: 1_000 };
const STORM = { streams: 10_000, events: 10 };

/** Publishes `events` to nobody, and returns how those subscribe who were there before them. */
async function publishedBehind(owner: Cleanup, peer: RunningPeer, events: number) {
  if (!peer.resume) throw new Error(`${peer.name} keeps no history`);
  const seen = await firstEvent(peer);
  const publisher = await startLoad(owner, peer, { streams: 0 });
  await publisher.run({ mode: 'closed', count: events });
  return peer.resume(seen);
}

async function measure(sheet: Sheet, peer: Peer, { streams, events }: typeof LONG): Promise<void> {
  await withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const subscribe = await publishedBehind(owner, running, events);
    const { opened } = await startLoad(owner, running, { streams, subscribe, replay: events });
    const what = `${streams.toLocaleString('en')} streams × ${events.toLocaleString('en')} events`;
    const expected = streams * events;
    sheet.add(peer.name, `${what}: all have everything after`, 's', opened.replaySeconds);
    sheet.add(
      peer.name,
      `${what}: events per second`,
      '/s',
      opened.deliveries / opened.replaySeconds,
    );
    sheet.add(
      peer.name,
      `${what}: server CPU per event`,
      'µs',
      opened.serverCpuUs / opened.deliveries,
    );
    if (opened.deliveries !== expected || opened.outOfOrder > 0)
      sheet.notes.add(
        `${peer.name}: ${opened.deliveries} of ${expected} arrived, ${opened.outOfOrder} out of order`,
      );
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  const scaled = ({ streams, events }: typeof LONG) => ({
    streams: Math.ceil(streams * scale),
    events,
  });
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      await measure(sheet, peer, scaled(LONG));
      await measure(sheet, peer, scaled(STORM));
    }
    log(`round ${round + 1} done`);
  }
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const resume: Scenario = {
  name: 'resume',
  title: 'Coming back with Last-Event-ID',
  how:
    'The clock starts with the first connection, at most 200 being opened at a time, and stops when every stream has had every event it had missed, ' +
    'in order. Verifying the token of each stream is in it. A fresh server for each figure.',
  run,
};
