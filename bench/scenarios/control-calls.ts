/** How many calls a second the control port answers, driven by autocannon. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { withCleanup } from '../support/cleanup.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon');
const CONNECTIONS = 10;
const SECONDS = 4;

/** The two calls of the contract, as the backends of today make them. */
const CALLS = [
  { path: '/emit/', body: 'userId=somebody&channel=chat&payload=data%3A%20hello' },
  { path: '/token/', body: 'userId=somebody&channel=chat&exp=3600' },
];

interface Cannon {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly non2xx: number;
  readonly errors: number;
}

async function fire(url: string, body: string, seconds: number): Promise<Cannon> {
  const args = ['--json', '-c', String(CONNECTIONS), '-d', String(seconds), '-m', 'POST'];
  const header = 'content-type=application/x-www-form-urlencoded';
  const child = spawn(process.execPath, [AUTOCANNON, ...args, '-H', header, '-b', body, url], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  return JSON.parse(text) as Cannon;
}

function measure(sheet: Sheet, peer: Peer, seconds: number): Promise<void> {
  return withCleanup(async (owner) => {
    const { emit } = await peer.start(owner);
    for (const { path, body } of CALLS) {
      const result = await fire(`http://${emit.host}:${emit.port}${path}`, body, seconds);
      const bad = result.non2xx + result.errors;
      if (bad > 0)
        sheet.notes.add(`${peer.name}: ${bad} calls of ${path} were not answered with 200`);
      sheet.add(peer.name, `${path} requests per second`, '/s', result.requests.average);
      sheet.add(peer.name, `${path} p50`, 'ms', result.latency.p50);
      sheet.add(peer.name, `${path} p99`, 'ms', result.latency.p99);
    }
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
  title: 'Calls of the control port, no streams',
  how: `autocannon, ${CONNECTIONS} connections, ${SECONDS} seconds for each call and round, a fresh server for each round. autocannon counts latency in whole milliseconds.`,
  run,
};
