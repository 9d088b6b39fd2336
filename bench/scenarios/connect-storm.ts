/** Ten thousand streams opened at once, as after a deployment: each has to be let in. */
import type { Cleanup } from '../support/cleanup.ts';
import { startLoad } from '../support/load.ts';
import type { Peer, RunningPeer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { inTurns, serversAndFloor } from './common.ts';

const STREAMS = 10_000;
const SECONDS = 'all streams are live after';

/** Whether a stream of this server has to show a token. */
function authorises(peer: RunningPeer): boolean {
  const { path, headers } = peer.subscribe(0);
  return /Bearer |token/i.test([path, ...headers].join('\n'));
}

async function measure(sheet: Sheet, owner: Cleanup, peer: Peer, scale: number): Promise<void> {
  const running = await peer.start(owner);
  if (!authorises(running)) sheet.notes.add(`${peer.name}: lets in without authorisation`);
  const most = running.opensAtOnce;
  if (most !== undefined) sheet.notes.add(`${peer.name}: opened ${most} at a time, not 200`);
  const streams = Math.ceil(STREAMS * scale);
  const { opened } = await startLoad(owner, running, { streams });
  sheet.add(peer.name, SECONDS, 's', opened.openSeconds);
  sheet.add(peer.name, 'server CPU per stream', 'µs', opened.serverCpuUs / streams);
  sheet.add(peer.name, 'connect to head p50', 'ms', opened.heads.p50Us / 1e3);
  sheet.add(peer.name, 'connect to head p99', 'ms', opened.heads.p99Us / 1e3);
}

async function run(settings: Settings): Promise<Result> {
  const sheet = new Sheet();
  await inTurns(sheet, settings, {
    peers: serversAndFloor(settings),
    shown: SECONDS,
    measure: (owner, peer) => measure(sheet, owner, peer, settings.scale),
  });
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const connectStorm: Scenario = {
  name: 'connect-storm',
  title: 'Opening 10,000 streams of 10,000 users',
  how:
    'The clock starts with the first connection, at most 200 being opened at a time, and stops with the last head. Where a server verifies tokens, ' +
    'each stream shows one that it has not seen before. A fresh server for each round, servers in turn.',
  headline: { metric: SECONDS, better: 'less' },
  run,
};
