/** Whether three hundred readers that read little or nothing delay five hundred that read all. */
import { openCrowd } from '../../test/support/crowd.ts';
import { tokenFor } from '../../test/support/tokens.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Load, startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios } from './common.ts';

const FAST = 500;
const NEVER = 150;
const TRICKLING = 150;
/** What a trickling reader takes, once a second. */
const TRICKLE_BYTES = 2_048;
const FRAME_BYTES = 65_536;
const EVENTS_PER_SECOND = 20;
const EVENTS = 200;
/** Until the kernel's send buffers of the slow ones are full, 4 MB each. */
const EVENTS_FILLING = 100;
const P99 = 'emit to receive p99';

/** Readers that take a little once a second. */
async function openTrickling(owner: Cleanup, { stream }: RunningPeer): Promise<void> {
  const options = Array.from({ length: TRICKLING }, (_, i) => ({
    token: tokenFor(`trickling-${i}`, 'chat'),
    readBytes: TRICKLE_BYTES,
  }));
  const members = await openCrowd(owner, `http://${stream.host}:${stream.port}`, options);
  for (const member of members) member.pauseAfterRead = true;
  const timer = setInterval(() => {
    for (const member of members) member.resume();
  }, 1_000);
  owner.after(() => clearInterval(timer));
}

async function openSlow(owner: Cleanup, running: RunningPeer): Promise<void> {
  await startLoad(owner, running, { streams: NEVER, firstUser: FAST, stuck: true });
  await openTrickling(owner, running);
}

async function record(sheet: Sheet, subject: string, load: Load, count: number): Promise<void> {
  const rate = { mode: 'rate', perSecond: EVENTS_PER_SECOND, bytes: FRAME_BYTES } as const;
  const { latency } = await load.run({ ...rate, count });
  sheet.add(subject, 'emit to receive p50', 'ms', latency.p50Us / 1e3);
  sheet.add(subject, P99, 'ms', latency.p99Us / 1e3);
}

function measure(sheet: Sheet, peer: Peer, scale: number): Promise<void> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const load = await startLoad(owner, running, { streams: FAST });
    const [filling, count] = [EVENTS_FILLING, EVENTS].map((events) => Math.ceil(events * scale));
    await load.run({ mode: 'lockstep', count: filling!, bytes: FRAME_BYTES });
    await record(sheet, `${peer.name}, ${FAST} alone`, load, count!);
    await openSlow(owner, running);
    await record(sheet, `${peer.name}, while the slow ones' buffers fill`, load, filling!);
    await record(sheet, `${peer.name}, beside the slow ones`, load, count!);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) await measure(sheet, peer, scale);
    log(`round ${round + 1} done`);
  }
  for (const { name } of ours)
    addRatios(sheet, `${name}, beside the slow ones`, `${name}, ${FAST} alone`, P99);
  const [subject, over] = ['tidings, beside the slow ones', `tidings, ${FAST} alone`];
  const targets = [{ subject, over, metric: P99, atMost: 2 }];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const slowCrowd: Scenario = {
  name: 'slow-crowd',
  title: `Latency of ${FAST} streams beside ${NEVER + TRICKLING} that read little or nothing, frames of 64 KiB`,
  how:
    `${EVENTS_PER_SECOND} broadcasts a second of 64 KiB each. ${NEVER} streams are never read, ${TRICKLING} at ${TRICKLE_BYTES} bytes a second. ` +
    'In their first seconds the kernel takes up to 4 MB for each of these (net.ipv4.tcp_wmem), 1.2 GB in all, and is busy with that.',
  run,
};
