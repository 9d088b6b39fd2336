/** How many different events a second a backend can hand over, in one request where a server takes many. */
import { megabytesOf, residentBytes, watchMost } from '../../test/support/process-facts.ts';
import { takeSample } from '../node-load/clocks.ts';
import { MARKER_BYTES, markerText } from '../node-load/marker.ts';
import { withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Bulk, RunningPeer } from '../support/peer.ts';
import { NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet, Target } from '../support/scenario.ts';
import { type Uploaded, upload } from '../support/upload.ts';
import { heardByEach, STREAMS } from './bulk-streams.ts';
import { noteFaults, rounds, servers, type Turn } from './common.ts';

const LINES = 1_000_000;
const USERS = 10_000;
const CONNECTIONS = 16;
const WARM_UP = { seconds: 0.5, deadline: 2 };
const SINGLES = { seconds: 1.5, deadline: 5 };
/** More than can be posted in that time. */
const EVENTS = 1_000_000;
const RATE = 'events per second';
const PER_CPU = 'events per second of server CPU';
const SENDER = 'CPU of the sender, or load generator';
const GROWTH = 'RSS grown by the first request of a server just started';
const ALONE = 'one event a request';
const TARGETS: readonly Target[] = [
  { subject: OURS, over: NCHAN, metric: RATE, atLeast: 5 },
  { subject: OURS, metric: RATE, atLeast: 300_000 },
  { subject: OURS, metric: GROWTH, atMost: 30 },
];

/** What one way to hand events over came to. */
interface Figures {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly senderShare: number;
}

function record(sheet: Sheet, subject: string, figures: Figures, prefix = ''): void {
  sheet.add(subject, `${prefix}${RATE}`, '/s', figures.perSecond);
  sheet.add(subject, `${prefix}${PER_CPU}`, '/s', figures.perCpuSecond);
  sheet.add(subject, `${prefix}${SENDER}`, '% of a core', figures.senderShare * 100);
}

/** Lines to users in turn, which is what all of it consists of. */
function blockOf({ line }: Bulk): Buffer {
  const text = (index: number) => markerText({ run: 1, publisher: 0, sequence: index, stamp: 0 });
  return Buffer.from(Array.from({ length: USERS }, (_, i) => line(i, text(i))).join(''));
}

/** Of a server just started, and then again of the same one. */
async function measureLines(sheet: Sheet, { peer, scale }: Turn, running: RunningPeer) {
  const { bulk, pids, emit } = running;
  if (bulk === undefined) return;
  const times = Math.max(1, Math.round((LINES * scale) / USERS));
  const lines = { to: emit, bulk, block: blockOf(bulk), times };
  const send = async (): Promise<Uploaded> => {
    const uploaded = await upload(lines);
    if (uploaded.accepted !== times * USERS)
      sheet.notes.add(`${peer.name}: ${uploaded.accepted} of ${times * USERS} lines were taken`);
    return uploaded;
  };
  const resident = () => pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
  const before = resident();
  const most = watchMost(resident);
  await send();
  sheet.add(peer.name, GROWTH, 'MiB', megabytesOf(most.stop() - before));
  record(sheet, peer.name, await timed(pids, send));
}

async function timed(pids: readonly number[], send: () => Promise<Uploaded>): Promise<Figures> {
  const before = takeSample(pids);
  const { accepted, seconds } = await send();
  const after = takeSample(pids);
  return {
    perSecond: accepted / seconds,
    perCpuSecond: (accepted * 1e9) / (after.server - before.server),
    senderShare: (after.load - before.load) / 1e9 / seconds,
  };
}

/** By the load generator, to one user on the channel, or to the channel where a server has no users. */
async function measureSingles(sheet: Sheet, { owner, peer, scale }: Turn, running: RunningPeer) {
  const publication = running.toUser?.(0) ?? running.broadcast;
  const load = await startLoad(owner, running, { streams: 0, publication });
  const posts = { mode: 'closed', publishers: CONNECTIONS, bytes: MARKER_BYTES } as const;
  await load.run({ ...posts, count: EVENTS, ...WARM_UP });
  const { seconds, deadline } = SINGLES;
  const counted = await load.run({ ...posts, count: EVENTS, seconds: seconds * scale, deadline });
  noteFaults(sheet, peer.name, [counted]);
  const taken = counted.posted - counted.refused;
  const figures = {
    perSecond: taken / counted.seconds,
    perCpuSecond: (taken * 1e6) / counted.serverCpuUs,
    senderShare: counted.loadCpuShare,
  };
  record(sheet, peer.name, figures, running.bulk === undefined ? '' : `${ALONE}: `);
}

async function measure(sheet: Sheet, turn: Turn): Promise<void> {
  const takesLines = await withCleanup(async (owner) => {
    const running = await turn.peer.start(owner);
    await measureLines(sheet, turn, running);
    await measureSingles(sheet, { ...turn, owner }, running);
    return running.bulk !== undefined;
  });
  if (takesLines) await heardByEach(sheet, turn);
}

export const bulk: Scenario = {
  name: 'bulk',
  title: 'Different events for 10,000 users',
  how:
    `Ours: ${LINES.toLocaleString('en')} lines in one request, to ${USERS.toLocaleString('en')} users in turn, nobody listening, from one sender on the same machine; the second such request of a server counts, ` +
    'and how much its resident memory grows at most during the first. ' +
    `The others take one event a request: ${CONNECTIONS} connections, kept alive, as fast as they are answered, for ${SINGLES.seconds} seconds after a warm-up, with the same text in each event; ours does that, too. ` +
    `Then ${STREAMS.toLocaleString('en')} streams of as many users, and one request with an event for each: when it is answered, and when the events have arrived, ` +
    'counted from the beginning of the request; each stream is to have its own and no other. Fresh servers for each round, servers in turn.',
  headline: { metric: RATE, better: 'more' },
  run: rounds({ peers: servers, shown: RATE, measure, targets: TARGETS }),
};
