/** Ten thousand streams opened at once, as after a deployment: each has to be let in. */
import { startLoad } from '../support/load.ts';
import type { RunningPeer } from '../support/peer.ts';
import { NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet } from '../support/scenario.ts';
import { rounds, serversAndFloor, type Turn } from './common.ts';

const STREAMS = 10_000;
const SECONDS = 'all streams are live after';
const CPU = 'server CPU per stream';

/** Whether a stream of this server has to show a token. */
function authorises(peer: RunningPeer): boolean {
  const { path, headers } = peer.subscribe(0);
  return /Bearer |token/i.test([path, ...headers].join('\n'));
}

async function measure(sheet: Sheet, { owner, peer, scale }: Turn): Promise<void> {
  const running = await peer.start(owner);
  if (!authorises(running)) sheet.notes.add(`${peer.name}: lets in without authorisation`);
  const most = running.opensAtOnce;
  if (most !== undefined) sheet.notes.add(`${peer.name}: opened ${most} at a time, not 200`);
  const streams = Math.ceil(STREAMS * scale);
  const { opened } = await startLoad(owner, running, { streams });
  sheet.add(peer.name, SECONDS, 's', opened.openSeconds);
  sheet.add(peer.name, CPU, 'µs', opened.serverCpuUs / streams);
  sheet.add(peer.name, 'connect to head p50', 'ms', opened.heads.p50Us / 1e3);
  sheet.add(peer.name, 'connect to head p99', 'ms', opened.heads.p99Us / 1e3);
}

export const connectStorm: Scenario = {
  name: 'connect-storm',
  title: 'Opening 10,000 streams of 10,000 users',
  how:
    'The clock starts with the first connection, at most 200 being opened at a time, and stops with the last head. Where a server verifies tokens, ' +
    'each stream shows one that it has not seen before. A fresh server for each round, servers in turn.',
  headline: { metric: SECONDS, better: 'less' },
  run: rounds({
    peers: serversAndFloor,
    shown: SECONDS,
    measure,
    targets: [{ subject: OURS, over: NCHAN, metric: CPU, atMost: 1.6 }],
  }),
};
