/**
 * A link that loses packets. The test runs itself again in a network namespace of its own, whose
 * loopback is worsened: by netem where the kernel has it, otherwise by a narrow token bucket with a
 * short queue, which drops what does not fit.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';

const INSIDE = 'TIDINGS_TEST_ON_LOSSY_LINK';

const NETEM = 'netem loss 5% delay 50ms 25ms reorder 5% duplicate 1%';
const NARROW = 'tbf rate 6mbit burst 8kb latency 15ms';

/** TCP waits twice as long with each loss of the same segment: up to two minutes. */
const SETTLE_MS = 150_000;

const run = (command: string) => {
  const [program, ...args] = command.split(' ');
  return spawnSync(program!, args, { encoding: 'utf8' });
};

const isOk = (command: string): boolean => run(command).status === 0;

/** Segments that had to be sent again, of all connections in this namespace. */
const retransmitted = (): number => {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('RetransSegs')]);
};

/** The name of a namespace with a bad link, or undefined where none can be made. */
function badLink(t: TestContext): string | undefined {
  const name = `tidings-${process.pid}`;
  if (!isOk(`ip netns add ${name}`)) return undefined;
  t.after(() => {
    run(`ip netns del ${name}`);
  });
  const within = `ip netns exec ${name}`;
  // Segments of ordinary size: loopback's own are larger than the bucket.
  if (!isOk(`${within} ip link set lo mtu 1500 up`)) return undefined;
  for (const kind of [NETEM, NARROW]) {
    if (!isOk(`${within} tc qdisc add dev lo root ${kind}`)) continue;
    t.diagnostic(kind);
    return name;
  }
  return undefined;
}

async function runWithin(name: string): Promise<{ code: number | null; output: string }> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const self = fileURLToPath(import.meta.url);
  const args = ['netns', 'exec', name, process.execPath, '--test', self];
  const child = spawn('ip', args, { env: { ...env, [INSIDE]: '1' } });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, output };
}

async function underLoad(t: TestContext): Promise<void> {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  await world.join(server.publicUrl, 50);
  const before = retransmitted();
  await world.emitter.run(world.plan, { count: 600, perSecond: 60 });
  await world.settle(SETTLE_MS);
  const account = world.audit();
  const again = retransmitted() - before;
  t.diagnostic(`${again} segments were sent again`);
  assert.ok(again > 0, 'the link lost nothing');
  assert.equal(account.delivered, account.expected);
  assert.equal(account.notices, 0);
}

test('R-09 network - packets are lost, late and out of order: no event is', {
  timeout: 360_000,
}, async (t) => {
  if (process.env[INSIDE] !== undefined) return underLoad(t);
  const name = badLink(t);
  if (name === undefined) return t.skip('no network namespace with a bad link can be made here');
  const { code, output } = await runWithin(name);
  for (const line of output.split('\n').filter((line) => /seed|acked|again/.test(line)))
    t.diagnostic(line.replace(/^\W+/, ''));
  assert.equal(code, 0, output);
});
