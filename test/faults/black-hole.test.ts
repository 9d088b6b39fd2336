/** A client's network that takes every packet and answers none: no FIN, no RST, nothing. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { scratchFile } from '../support/faults.ts';
import { CLI } from '../support/spawn-server.ts';
import { SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const NAMESPACE = `tidings-${process.pid}`;
/** A host that gives up after as many unanswered sends; Linux' own 15 take a quarter of an hour. */
const RETRIES = 3;

const inside = (...command: string[]) => ['netns', 'exec', NAMESPACE, ...command];
const run = (...command: string[]) => spawnSync('ip', inside(...command), { encoding: 'utf8' });

const addNamespace = (t: TestContext): void => {
  execFileSync('ip', ['netns', 'add', NAMESPACE]);
  t.after(() => {
    spawnSync('ip', ['netns', 'del', NAMESPACE]);
  });
  execFileSync('ip', inside('ip', 'link', 'set', 'lo', 'up'));
};

/** Why there can be no black hole here, if there cannot. */
function unusable(): string | undefined {
  if (spawnSync('ip', ['netns', 'add', NAMESPACE]).status !== 0)
    return 'network namespaces are not usable here';
  try {
    return run('nft', 'add', 'table', 'inet', 'probe').status === 0
      ? undefined
      : 'nft is not usable here';
  } finally {
    spawnSync('ip', ['netns', 'del', NAMESPACE]);
  }
}

function start(t: TestContext, command: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn('ip', inside(...command), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const pipe of [child.stdout, child.stderr])
    pipe.setEncoding('utf8').on('data', (text: string) => (output += text));
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return { child, output: () => output };
}

/** Emits through a unix socket, which no namespace stands in the way of; resolves with how many streams there were. */
async function emitTo(socketPath: string): Promise<number> {
  const headers = { host: 'localhost', 'content-type': 'application/json' };
  const req = request({ socketPath, path: '/emit/', method: 'POST', headers });
  req.end(JSON.stringify({ userId: '*', channel: 'news', payload: 'data: x' }));
  const [res] = await once(req, 'response');
  return ((await json(res)) as { streams: number }).streams;
}

function blackHole(port: string): void {
  const chain = '{ type filter hook input priority 0; }';
  execFileSync('ip', inside('nft', 'add', 'table', 'inet', 'hole'));
  execFileSync('ip', inside('nft', 'add', 'chain', 'inet', 'hole', 'in', chain));
  for (const direction of ['dport', 'sport'])
    execFileSync(
      'ip',
      inside('nft', 'add', 'rule', 'inet', 'hole', 'in', 'tcp', direction, port, 'drop'),
    );
}

test('R-08 black hole - a client that vanished without a word is let go when its host gives up on it', {
  timeout: 90_000,
}, async (t) => {
  const reason = unusable();
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  addNamespace(t);
  execFileSync('ip', inside('sysctl', '-qw', `net.ipv4.tcp_retries2=${RETRIES}`));
  const control = scratchFile(t);
  const flags = ['-bind', '127.0.0.1:0', '-bindctl', `unix:${control}`, '-secret', SECRET];
  const server = start(t, [process.execPath, CLI, ...flags, '-heartbeat', '1']);
  await eventually(() => server.output().includes('"listening"'), { what: 'the server' });
  const port = /"public":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(server.output())![1]!;
  const auth = `Authorization: Bearer ${tokenFor('ann')}`;
  const client = start(t, ['curl', '-sN', '-H', auth, `http://127.0.0.1:${port}/events/`]);
  await eventually(() => client.output().includes('retry:'), { what: 'the stream' });
  assert.equal(await emitTo(control), 1);

  blackHole(port);
  const began = performance.now();
  await eventually(async () => (await emitTo(control)) === 0, {
    withinMs: 60_000,
    what: 'the stream to be let go',
  });
  t.diagnostic(`let go after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  assert.equal(client.child.exitCode, null, 'the client was cut off, not the other way round');
});
