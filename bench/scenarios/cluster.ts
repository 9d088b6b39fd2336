/** What it costs that several nodes have one order, and that what was accepted outlives a server. */
import { takeSample } from '../node-load/clocks.ts';
import { nchanRedis } from '../peers/nchan-redis.ts';
import { tidingsNats, tidingsNatsThree } from '../peers/tidings-nats.ts';
import { withCleanup } from '../support/cleanup.ts';
import { type Load, startLoad } from '../support/load.ts';
import type { Peer, Publication, RunningPeer } from '../support/peer.ts';
import { settledKib } from '../support/procfs.ts';
import { OURS } from '../support/ratios.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, inTurns, noteFaults, servers, type Turn } from './common.ts';

const OWN: readonly Peer[] = [tidingsNats, tidingsNatsThree, nchanRedis];
/** Each with one node, for a measure of what is usual. */
const BESIDE = ['Centrifugo', 'Mercure'];

const STREAMS = 200;
const WARM_UP = { seconds: 0.5, deadline: 4 } as const;

const PUBLISHERS = 64;
const EMIT_SECONDS = 1;
const EMITS = 1_000_000;
const RATE = 'emits per second';

const EVENTS_PER_SECOND = 100;
const EVENTS = 200;
const ARRIVAL = 'emit to arrival';

const DELIVERIES = { count: 2_000, seconds: 1, deadline: 4 } as const;
const COST = 'CPU per delivery';

const CHANNELS = 20_000;
const CHANNEL_BYTES = 60;

/** Of its own channel each: the text of an event is another one each time. */
const toNewChannel = ({ broadcast }: RunningPeer): Publication => ({
  ...broadcast,
  body: 'userId=*&channel=idle-{event}&payload=data%3A%20x',
});

async function countEmits(sheet: Sheet, { name }: RunningPeer, load: Load, scale: number) {
  const closed = { mode: 'closed', publishers: PUBLISHERS, count: EMITS, deadline: 4 } as const;
  await load.run({ ...closed, seconds: WARM_UP.seconds * scale });
  const counted = await load.run({ ...closed, seconds: EMIT_SECONDS * scale });
  noteFaults(sheet, name, [counted]);
  sheet.add(name, RATE, '/s', counted.posted / counted.seconds);
  sheet.add(name, 'answer p99', 'ms', counted.answers.p99Us / 1e3);
}

async function timeArrivals(sheet: Sheet, { name }: RunningPeer, load: Load, scale: number) {
  const rate = { mode: 'rate', perSecond: EVENTS_PER_SECOND, publishers: 2, deadline: 4 } as const;
  const counted = await load.run({ ...rate, count: Math.ceil(EVENTS * scale) });
  noteFaults(sheet, name, [counted]);
  sheet.add(name, `${ARRIVAL} p50`, 'ms', counted.latency.p50Us / 1e3);
  sheet.add(name, `${ARRIVAL} p99`, 'ms', counted.latency.p99Us / 1e3);
}

/** Of all processes together, and of those alone that serve the streams. */
async function countCpu(sheet: Sheet, peer: RunningPeer, load: Load, scale: number) {
  const { name, pids, parts } = peer;
  const serving = parts?.streams ?? pids;
  const pace = { count: Math.ceil(DELIVERIES.count * scale), deadline: DELIVERIES.deadline };
  const before = takeSample(serving);
  const counted = await load.run({ mode: 'lockstep', ...pace, seconds: DELIVERIES.seconds });
  const ns = takeSample(serving).server - before.server;
  noteFaults(sheet, name, [counted]);
  sheet.add(name, COST, 'µs', ns / 1e3 / counted.deliveries);
  sheet.add(name, `${COST}, all processes`, 'µs', counted.serverCpuUs / counted.deliveries);
}

/** What channels hold that nobody is on and that had one event each: on a node, and on all servers of NATS together. */
async function weighChannels(sheet: Sheet, { owner, peer, scale }: Turn, running: RunningPeer) {
  const { parts, pids } = running;
  const load = await startLoad(owner, running, {
    streams: 0,
    publication: toNewChannel(running),
  });
  const count = Math.ceil(CHANNELS * scale);
  const emits = { mode: 'closed', publishers: PUBLISHERS, count, bytes: CHANNEL_BYTES } as const;
  const weights = async () => ({
    node: await settledKib(parts?.streams ?? pids),
    store: parts === undefined ? 0 : await settledKib(parts.store),
  });
  const before = await weights();
  const { posted, refused } = await load.run(emits);
  const after = await weights();
  const channels = posted - refused;
  const node = (after.node - before.node) / channels;
  sheet.add(peer.name, 'node: memory per idle channel', 'KiB', node);
  if (parts === undefined) return;
  const store = (after.store - before.store) / channels;
  sheet.add(peer.name, 'NATS: memory per idle channel', 'KiB', store);
}

async function measure(sheet: Sheet, turn: Turn): Promise<void> {
  const { owner, peer, scale } = turn;
  const running = await peer.start(owner);
  await withCleanup(async (listening) => {
    const load = await startLoad(listening, running, { streams: STREAMS });
    await load.run({ mode: 'lockstep', count: 1_000, ...WARM_UP });
    await countCpu(sheet, running, load, scale);
    await timeArrivals(sheet, running, load, scale);
  });
  const alone = await startLoad(owner, running, { streams: 0 });
  await countEmits(sheet, running, alone, scale);
  if (peer.name.startsWith(OURS)) await weighChannels(sheet, turn, running);
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  const others = servers({ ...settings, ours: [] }).filter(({ name }) => BESIDE.includes(name));
  const peers = [...settings.ours, ...OWN.filter((own) => own.missing() === undefined), ...others];
  await inTurns(sheet, settings, {
    peers,
    shown: `${ARRIVAL} p99`,
    measure: (owner, peer) => measure(sheet, { owner, peer, scale: settings.scale }),
  });
  for (const { name } of OWN)
    for (const metric of [RATE, `${ARRIVAL} p50`, COST, `${COST}, all processes`])
      if (sheet.samples(name, metric).length === sheet.samples(OURS, metric).length)
        addRatios(sheet, name, OURS, metric);
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const cluster: Scenario = {
  name: 'cluster',
  title: 'Several nodes: one order through NATS, and through Redis',
  how:
    'Of several nodes one takes the emits and another has the streams; `tidings` is one node with the order in its own memory. ' +
    `CPU per delivery: ${STREAMS} streams, the next event when the last has arrived everywhere, so that each event is paid for by few streams; of the node with the streams, and of all nodes and servers together. ` +
    `Arrival: ${EVENTS_PER_SECOND} events a second. Emits: ${PUBLISHERS} connections as fast as they are answered, no streams. ` +
    `Memory: ${CHANNELS.toLocaleString('en')} events, each on a channel of its own that nobody is on; of the node with the streams, and of all NATS servers together. ` +
    'Everything is on one machine, whose cores all processes share. A fresh cluster for each round, in turn.',
  headline: { metric: `${ARRIVAL} p99`, better: 'less' },
  own: OWN,
  run,
};
