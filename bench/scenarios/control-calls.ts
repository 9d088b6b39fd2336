/** How many tokens a second the control port hands out; emits are counted in publish-rate, beside those of others. */
import { failed, fire } from '../support/cannon.ts';
import { withCleanup } from '../support/cleanup.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';

const CONNECTIONS = 10;
const SECONDS = 4;

/** As the backends of today ask for one. */
const TOKEN = {
  path: '/token/',
  headers: ['Content-Type: application/x-www-form-urlencoded'],
  body: 'userId=somebody&channel=chat&exp=3600',
};

function measure(sheet: Sheet, peer: Peer, seconds: number): Promise<void> {
  return withCleanup(async (owner) => {
    const { emit } = await peer.start(owner);
    const result = await fire(emit, TOKEN, { connections: CONNECTIONS, seconds });
    const bad = failed(result);
    if (bad > 0) sheet.notes.add(`${peer.name}: ${bad} calls were not answered with 200`);
    sheet.add(peer.name, '/token/ requests per second', '/s', result.requests.average);
    sheet.add(peer.name, '/token/ p50', 'ms', result.latency.p50);
    sheet.add(peer.name, '/token/ p99', 'ms', result.latency.p99);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      await measure(sheet, peer, Math.max(1, Math.round(SECONDS * scale)));
      log(`${peer.name} round ${round + 1} done`);
    }
  }
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
}

export const controlCalls: Scenario = {
  name: 'control-calls',
  title: 'Tokens of the control port, no streams',
  how: `autocannon, ${CONNECTIONS} connections, ${SECONDS} seconds for each round, a fresh server for each round. autocannon counts latency in whole milliseconds.`,
  run,
};
