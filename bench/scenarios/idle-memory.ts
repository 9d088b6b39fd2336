/** What an idle stream holds in user space: the figure that decides how many fit on a machine. */
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { settledKib } from '../support/procfs.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { available } from './common.ts';

const STREAMS = 15_000;
/** Many openings and few streams at a time: code and pools get warm, and little memory is left to be used again. */
const WARM_UP = { rounds: 20, streams: 500 };
const WARM = 'RSS per idle stream';
const COLD = 'RSS per idle stream, server just started';

const resident = async (peer: RunningPeer): Promise<number> => {
  let sum = 0;
  for (const pid of peer.pids) sum += await settledKib(pid);
  return sum;
};

async function warmUp(peer: RunningPeer): Promise<void> {
  const { rounds, streams } = WARM_UP;
  for (let i = 0; i < rounds; i++) {
    await withCleanup((owner) =>
      startLoad(owner, peer, { streams, firstUser: -streams * (i + 1) }),
    );
  }
}

async function perStream(owner: Cleanup, peer: RunningPeer, streams: number): Promise<number> {
  const before = await resident(peer);
  await startLoad(owner, peer, { streams });
  return ((await resident(peer)) - before) / streams;
}

async function measure(sheet: Sheet, peer: Peer, streams: number): Promise<void> {
  await withCleanup(async (owner) => {
    const running = await peer.start(owner);
    await warmUp(running);
    sheet.add(peer.name, WARM, 'KiB', await perStream(owner, running, streams));
  });
  await withCleanup(async (owner) => {
    const running = await peer.start(owner);
    sheet.add(peer.name, COLD, 'KiB', await perStream(owner, running, streams));
  });
}

async function run({ runs, scale, ours, rivals, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  const peers = available(sheet, [...ours, ...rivals]);
  for (let round = 0; round < runs; round++) {
    for (const peer of peers) {
      await measure(sheet, peer, Math.ceil(STREAMS * scale));
      log(`${peer.name} ${sheet.samples(peer.name, WARM).at(-1)?.toFixed(2)} KiB`);
    }
  }
  const targets = [{ subject: 'tidings', metric: WARM, atMost: 2.4 }];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'Memory per idle stream, 15,000 streams of 15,000 users',
  how:
    'Resident memory (VmRSS) of the server process before and after the streams are open, each taken when three readings half a second apart agree. ' +
    `Before the first reading ${WARM_UP.rounds} times ${WARM_UP.streams} streams were opened and closed, so that code and pools are not counted; ` +
    'the second row is without that. Socket buffers of the kernel are not in it. A fresh process for each figure.',
  run,
};
