/** The server under the real supervisord, with the file that `deploy/` ships. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { deployFile, missing, SEARCH_PATH, temporaryFolder } from '../support/proxy.ts';
import { CLI } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, SECRET, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const WITHIN = { withinMs: 20_000 };

interface Supervised {
  readonly process: ChildProcess;
  /** What supervisord has said so far. */
  readonly said: () => string;
  /** The process ids of the servers it has started, in order. */
  readonly pids: () => number[];
  /** The public addresses of those that listened, in order. */
  readonly urls: () => string[];
}

/** Only paths, ports and the user are replaced; an option that it does not set comes from the environment. */
async function writeConfig(folder: string): Promise<string> {
  const file = join(folder, 'supervisord.conf');
  writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 });
  const program = await deployFile('supervisor.conf', {
    '/usr/bin/node': process.execPath,
    '/opt/tidings/dist/src/cli.js': CLI,
    '127.0.0.1:8000': '127.0.0.1:0',
    '127.0.0.1:8001': '127.0.0.1:0',
    '/etc/tidings/secret': join(folder, 'secret'),
    'user=tidings': `user=${userInfo().username}`,
    '/var/log/supervisor/tidings.log': join(folder, 'tidings.log'),
  });
  const own = ['nodaemon=true', `pidfile=${folder}/pid`, `logfile=${folder}/supervisord.log`];
  writeFileSync(file, ['[supervisord]', ...own, program].join('\n'));
  return file;
}

async function startSupervisord(t: TestContext): Promise<Supervised> {
  const folder = await temporaryFolder(t, 'supervisor');
  const config = await writeConfig(folder);
  const child = spawn('supervisord', ['-n', '-c', config], {
    env: { ...process.env, PATH: SEARCH_PATH, TIDINGS_DRAIN: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => (said += text));
  // It stops the server before it ends itself.
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const all = (text: string, pattern: RegExp): string[] =>
    [...text.matchAll(pattern)].map(([, value]) => value!);
  return {
    process: child,
    said: () => said,
    pids: () => all(said, /spawned: 'tidings' with pid (\d+)/g).map(Number),
    urls: () => all(readFileSync(join(folder, 'tidings.log'), 'utf8'), /"public":"([^"]+)"/g),
  };
}

const timesRunning = ({ said }: Supervised): number =>
  said().split('success: tidings entered RUNNING state').length - 1;

test('supervisor - a server that is killed is back, and one that is stopped drains first', {
  skip: missing('supervisord'),
}, async (t) => {
  const supervised = await startSupervisord(t);
  await eventually(() => timesRunning(supervised) === 1, { ...WITHIN, what: 'a first start' });

  process.kill(supervised.pids()[0]!, 'SIGKILL');
  await eventually(() => timesRunning(supervised) === 2, { ...WITHIN, what: 'a second start' });
  assert.match(supervised.said(), /exited: tidings \(terminated by SIGKILL/);

  const url = `${supervised.urls()[1]}/events/`;
  const stream = await openStream(t, url, { headers: bearer(tokenFor('ann')) });
  await eventually(() => stream.text.includes('tidings.open'));
  supervised.process.kill('SIGTERM');
  await once(supervised.process, 'exit');

  assert.match(supervised.said(), /stopped: tidings \(exit status 0\)/);
  assert.match(stream.text, /\nretry: \d+\n:\n$/);
  assert.equal(supervised.pids().length, 2);
});
