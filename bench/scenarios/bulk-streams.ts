/** One request with a different event for each of 10,000 users who listen: when it is answered, and when they have them. */
import { takeSample } from '../node-load/clocks.ts';
import { markerText, nowNs } from '../node-load/marker.ts';
import { type Counted, type Hearing, type Load, startLoad } from '../support/load.ts';
import type { Bulk, RunningPeer } from '../support/peer.ts';
import type { Sheet } from '../support/scenario.ts';
import { median } from '../support/stats.ts';
import { type Uploaded, upload } from '../support/upload.ts';
import type { Turn } from './common.ts';

export const STREAMS = 10_000;
const WARM_UPS = 2;
const REQUESTS = 3;
const DEADLINE_SECONDS = 10;
/** From the time that is written in the markers to the one at which they are all made, at most. */
const LEAD_NS = 200e6;

const WHAT = `an event for each of ${STREAMS.toLocaleString('en')} streams`;

interface Once extends Uploaded {
  readonly counted: Counted;
  readonly serverCpuUs: number;
}

/** To each stream what it is to have in this run, as of the time `stamp`. */
function blockFor({ line }: Bulk, { run }: Hearing, stamp: number): Buffer {
  const text = (sequence: number) => markerText({ run, publisher: 0, sequence, stamp });
  return Buffer.from(Array.from({ length: STREAMS }, (_, i) => line(i, text(i))).join(''));
}

async function sendOnce(running: RunningPeer, bulk: Bulk, load: Load): Promise<Once> {
  const hearing = await load.hear({ deadline: DEADLINE_SECONDS });
  const at = nowNs() + LEAD_NS;
  const block = blockFor(bulk, hearing, at);
  const before = takeSample(running.pids);
  const uploaded = await upload({ to: running.emit, bulk, block, times: 1, at });
  const counted = await hearing.counted;
  const serverCpuUs = (takeSample(running.pids).server - before.server) / 1e3;
  return { ...uploaded, counted, serverCpuUs };
}

function noteMissing(sheet: Sheet, name: string, { accepted, counted }: Once): void {
  const { deliveries, outOfOrder, stray, closed } = counted;
  const isWhole = accepted === STREAMS && deliveries === STREAMS;
  if (isWhole && outOfOrder === 0 && stray === 0 && closed === 0) return;
  sheet.notes.add(
    `${name}, ${WHAT}: ${accepted} taken, ${deliveries} arrived, ${outOfOrder} at another stream or twice, ` +
      `${stray} of an earlier request, ${closed} streams closed`,
  );
}

/** A server of its own, with all the streams; nothing where a server takes one event a request. */
export async function heardByEach(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
  const running = await peer.start(owner);
  const { bulk } = running;
  if (bulk === undefined) return;
  const load = await startLoad(owner, running, { streams: STREAMS });
  for (let i = 0; i < WARM_UPS; i += 1)
    noteMissing(sheet, peer.name, await sendOnce(running, bulk, load));
  const all: Once[] = [];
  for (let i = 0; i < Math.ceil(REQUESTS * scale); i += 1)
    all.push(await sendOnce(running, bulk, load));
  for (const one of all) noteMissing(sheet, peer.name, one);
  record(sheet, peer.name, all);
}

function record(sheet: Sheet, name: string, all: readonly Once[]): void {
  const add = (what: string, unit: string, of: (one: Once) => number) =>
    sheet.add(name, `${WHAT}: ${what}`, unit, median(all.map(of)));
  add('answered after', 'ms', ({ seconds }) => seconds * 1e3);
  add('arrived p50', 'ms', ({ counted }) => counted.latency.p50Us / 1e3);
  add('arrived p99', 'ms', ({ counted }) => counted.latency.p99Us / 1e3);
  add('arrived last', 'ms', ({ counted }) => counted.latency.maxUs / 1e3);
  add('server CPU per event', 'µs', ({ serverCpuUs }) => serverCpuUs / STREAMS);
  add('CPU of the load generator', '% of a core', ({ counted }) => counted.loadCpuShare * 100);
}
