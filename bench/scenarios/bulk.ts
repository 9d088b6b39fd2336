/** How many different events a second a backend can hand over, in one request where a server takes many. */
import { sendLines } from '../../test/support/bulk-sender.ts';
import { takeSample } from '../node-load/clocks.ts';
import { failed, fire } from '../support/cannon.ts';
import type { RunningPeer } from '../support/peer.ts';
import { memoryKib } from '../support/procfs.ts';
import { NCHAN, OURS } from '../support/ratios.ts';
import type { Scenario, Sheet, Target } from '../support/scenario.ts';
import { rounds, servers, type Turn } from './common.ts';

const LINES = 1_000_000;
const USERS = 10_000;
const WARM_UP_LINES = 200_000;
const CONNECTIONS = 10;
const PIPELINING = 10;
const SECONDS = 2;
const RATE = 'events per second';
const CPU = 'server CPU per event';
const GROWTH = 'memory grown by the request, at its end';
const TARGETS: readonly Target[] = [
  { subject: OURS, over: NCHAN, metric: RATE, atLeast: 5 },
  { subject: OURS, metric: RATE, atLeast: 300_000 },
  { subject: OURS, metric: GROWTH, atMost: 30 },
];

async function measureLines(
  sheet: Sheet,
  { peer, scale }: Turn,
  { pids, emit, lines }: RunningPeer & { lines: (index: number) => string },
): Promise<void> {
  const url = `http://${emit.host}:${emit.port}`;
  const line = (index: number) => lines(index % USERS);
  await sendLines({ url, count: WARM_UP_LINES, line });
  const count = Math.round(LINES * scale);
  const [memory, before] = [memoryKib(pids), takeSample(pids)];
  const answer = await sendLines({ url, count, line });
  const after = takeSample(pids);
  const { accepted } = JSON.parse(answer) as { accepted?: number };
  if (accepted !== count) sheet.notes.add(`${peer.name}: ${accepted} of ${count} were taken`);
  sheet.add(peer.name, RATE, '/s', (count * 1e9) / (after.wall - before.wall));
  sheet.add(peer.name, CPU, 'µs', (after.server - before.server) / 1e3 / count);
  sheet.add(peer.name, GROWTH, 'MiB', (memoryKib(pids) - memory) / 1_024);
}

async function measureSingles(sheet: Sheet, { peer, scale }: Turn, running: RunningPeer) {
  const { emit, toUser, broadcast, pids } = running;
  const publication = toUser?.(0) ?? broadcast;
  const body = publication.body.replace('{event}', 'invoice');
  const shots = { connections: CONNECTIONS, pipelining: PIPELINING };
  await fire(emit, { ...publication, body }, { ...shots, seconds: 1 });
  const seconds = Math.max(1, Math.round(SECONDS * scale));
  const before = takeSample(pids);
  const result = await fire(emit, { ...publication, body }, { ...shots, seconds });
  const cpuUs = (takeSample(pids).server - before.server) / 1e3;
  sheet.add(peer.name, RATE, '/s', result['2xx'] / seconds);
  sheet.add(peer.name, CPU, 'µs', cpuUs / result['2xx']);
  if (failed(result) > 0)
    sheet.notes.add(`${peer.name}: some calls were not answered with success`);
}

async function measure(sheet: Sheet, turn: Turn): Promise<void> {
  const running = await turn.peer.start(turn.owner);
  const { lines } = running;
  if (lines === undefined) await measureSingles(sheet, turn, running);
  else await measureLines(sheet, turn, { ...running, lines });
}

export const bulk: Scenario = {
  name: 'bulk',
  title: 'Different events for 10,000 users, no streams',
  how:
    `Ours: ${LINES} lines in one request, to ${USERS} users in turn, from one sender on the same machine, after ${WARM_UP_LINES} lines to warm up. ` +
    `The others take one event a request: autocannon, ${CONNECTIONS} connections with ${PIPELINING} requests on each at a time, for ${SECONDS} seconds after one to warm up; only calls answered with success count. A fresh server for each round, servers in turn.`,
  headline: { metric: RATE, better: 'more' },
  run: rounds({ peers: servers, shown: RATE, measure, targets: TARGETS }),
};
