/** What an idle stream holds: the figure that decides how many fit on a machine. */
import { tidings, tidingsWith } from '../peers/tidings.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { kernelKib, settledKib } from '../support/procfs.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, inTurns, servers } from './common.ts';

/** Alone there is time for as many as one process has descriptors for. Fewer than these are lost in what V8's heap does. */
const STREAMS = { alone: 15_000, compared: 10_000 };
/** Many openings and few streams at a time: code and pools get warm, and little memory is left to be used again. */
const WARM_UPS = { alone: 20, compared: 16 };
const WARM_UP_STREAMS = 250;
/** In a quick look: with fewer, what the warm-up left is enough for all of them. */
const STREAMS_LEAST = 2_000;
const WARM = 'memory per idle stream';
/** A stream is to cost the same whichever thread has it. */
const TWO = tidingsWith(2);

interface House {
  readonly streams: number;
  readonly warmUps: number;
}

async function warmUp(peer: RunningPeer, times: number): Promise<void> {
  const streams = WARM_UP_STREAMS;
  for (let i = 1; i <= times; i++) {
    await withCleanup((owner) => startLoad(owner, peer, { streams, firstUser: streams * i }));
  }
}

async function measure(sheet: Sheet, owner: Cleanup, peer: Peer, house: House): Promise<void> {
  const { streams, warmUps } = house;
  const running = await peer.start(owner);
  await warmUp(running, warmUps);
  const before = await settledKib(running.pids);
  const kernel = kernelKib();
  await startLoad(owner, running, { streams });
  const grown = (await settledKib(running.pids)) - before;
  const kernelGrown = kernelKib() - kernel;
  sheet.add(peer.name, WARM, 'KiB', grown / streams);
  sheet.add(peer.name, 'server before', 'MiB', before / 1024);
  sheet.add(peer.name, 'kernel, both ends of a stream', 'KiB', kernelGrown / streams);
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  const kind = settings.rivals.length > 0 ? 'compared' : 'alone';
  const streams = Math.max(STREAMS_LEAST, Math.ceil(STREAMS[kind] * settings.scale));
  const house = { streams, warmUps: WARM_UPS[kind] };
  const threaded = kind === 'alone' ? [TWO] : [];
  await inTurns(sheet, settings, {
    peers: [...servers(settings), ...threaded],
    shown: WARM,
    measure: (owner, peer) => measure(sheet, owner, peer, house),
  });
  for (const { name } of threaded) addRatios(sheet, name, tidings.name, WARM);
  const targets = [
    { subject: tidings.name, metric: WARM, atMost: 1.5 },
    ...threaded.map(({ name }) => ({
      subject: name,
      over: tidings.name,
      metric: WARM,
      atMost: 1.1,
    })),
  ];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'Memory per idle stream, every stream of another user',
  how:
    `${STREAMS.compared.toLocaleString('en')} streams beside other servers, ${STREAMS.alone.toLocaleString('en')} alone. What all processes of the server have written to memory (Pss without pages of files) before and after the streams are open, ` +
    'each taken when three readings a quarter of a second apart agree. ' +
    `Before the first reading ${WARM_UPS.compared} times (alone: ${WARM_UPS.alone}) ${WARM_UP_STREAMS} streams were opened and closed, so that code and pools are not counted. ` +
    'What the kernel holds for a stream is a figure of its own: of both ends together, as the generator is on the same machine, and of whatever else the machine did meanwhile. ' +
    'A fresh server for each round, servers in turn.',
  headline: { metric: WARM, better: 'less' },
  run,
};
