/** A log that cannot be written, for whatever reason, costs lines and nothing else. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CLI } from '../support/spawn-server.ts';
import { SECRET, tokenFor } from '../support/tokens.ts';
import { eventually, within } from '../support/wait.ts';

/** More lines than any pipe and the waiting room together can hold: each has about 400 bytes. */
const MANY = 2_500;

/** Opened at a time. */
const BATCH = 50;

interface Mute {
  readonly child: ChildProcess;
  readonly publicPath: string;
  readonly controlPath: string;
}

const folderOf = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** On unix sockets, since a server whose log is lost cannot tell its ports. */
async function spawnMute(t: TestContext, stderr: number | 'pipe'): Promise<Mute> {
  const folder = folderOf(t);
  const [publicPath, controlPath] = [join(folder, 'public'), join(folder, 'control')];
  const where = ['-bind', `unix:${publicPath}`, '-bindctl', `unix:${controlPath}`];
  const args = [...where, '-secret', SECRET, '-drain', '0', '-log-level', 'debug'];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', stderr] });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const mute = { child, publicPath, controlPath };
  await eventually(
    () => {
      assert.equal(child.exitCode, null, 'it must start');
      return isHealthy(mute).catch(() => false);
    },
    { withinMs: 15_000, what: 'the server to start' },
  );
  return mute;
}

const get = (socketPath: string, path: string, headers = {}): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path, headers, agent: false }, resolve).on('error', reject).end();
  });

async function isHealthy({ controlPath }: Mute): Promise<boolean> {
  const response = await within(get(controlPath, '/healthz'), { what: 'an answer to /healthz' });
  response.resume();
  return response.statusCode === 200;
}

/** Each stream that comes and goes is a line with the user's name. */
async function comeAndGo(mute: Mute, count: number): Promise<void> {
  const headers = {
    accept: 'text/event-stream',
    authorization: `Bearer ${tokenFor('u'.repeat(256))}`,
  };
  for (let i = 0; i < count; i += BATCH) {
    const opening = Array.from({ length: BATCH }, () => get(mute.publicPath, '/events/', headers));
    const what = `streams ${i} and on`;
    for (const stream of await within(Promise.all(opening), { withinMs: 10_000, what }))
      stream.on('error', () => {}).destroy();
  }
  assert.ok(await isHealthy(mute));
}

/** An open stream ends on a terminating chunk when the server is told to leave, which exits with 0. */
async function leavesCleanly({ child, publicPath }: Mute): Promise<void> {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const stream = await get(publicPath, '/events/', headers);
  const ended = once(stream.resume(), 'end');
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await within(ended, { what: 'the end of the stream' });
  assert.ok(stream.complete);
  const [code] = await within(exited, { withinMs: 10_000, what: 'the exit' });
  assert.equal(code, 0);
}

/** Streams told of, and lines told to be missing. */
function count(text: string): { closed: number; dropped: number } {
  const lines = text.split('\n').slice(0, -1);
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const closed = records.filter((record) => record['msg'] === 'stream closed').length;
  const dropped = records.reduce((sum, record) => sum + Number(record['dropped'] ?? 0), 0);
  return { closed, dropped };
}

test('log - on /dev/full it starts, serves, and leaves with 0', { timeout: 60_000 }, async (t) => {
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const mute = await spawnMute(t, full);
  await comeAndGo(mute, 100);
  await leavesCleanly(mute);
});

test('log - a full file system: it goes on, tells what is missing when there is room, leaves with 0', {
  timeout: 90_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-log-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder]);
  t.after(() => {
    if (mounted.status === 0) execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  });
  if (mounted.status !== 0) return t.skip(`cannot mount a tmpfs: ${mounted.stderr}`);
  const log = join(folder, 'log');
  const file = openSync(log, 'a');
  const mute = await spawnMute(t, file);
  closeSync(file);
  const filler = join(folder, 'filler');
  assert.throws(() => writeFileSync(filler, Buffer.alloc(4_194_304)), { code: 'ENOSPC' });
  await comeAndGo(mute, 2 * MANY);
  rmSync(filler);
  await eventually(() => count(readFileSync(log, 'utf8')).dropped > 0, {
    what: 'the line that tells of dropped ones',
  });
  const { closed, dropped } = count(readFileSync(log, 'utf8'));
  assert.ok(closed + dropped >= 2 * MANY, `${closed} + ${dropped}`);
  assert.throws(() => writeFileSync(filler, Buffer.alloc(4_194_304)), { code: 'ENOSPC' });
  await leavesCleanly(mute);
});

/** A pipe as shells make them; both ends are ours until the server has inherited one. */
function pipeOf(t: TestContext): number {
  const path = join(folderOf(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(fd));
  return fd;
}

function readAll(fd: number): string {
  const chunk = Buffer.alloc(65_536);
  let text = '';
  try {
    for (;;) text += chunk.toString('utf8', 0, readSync(fd, chunk));
  } catch {
    return text; // EAGAIN: it is empty
  }
}

test('log - a pipe that nobody reads: all goes on; read at last, it tells what is missing', {
  timeout: 90_000,
}, async (t) => {
  const fd = pipeOf(t);
  const mute = await spawnMute(t, fd);
  await comeAndGo(mute, MANY);
  let text = '';
  await eventually(
    () => {
      text += readAll(fd);
      return text.endsWith('\n') && count(text).dropped > 0;
    },
    { withinMs: 10_000, what: 'the line that tells of dropped ones' },
  );
  const { closed, dropped } = count(text);
  assert.ok(closed + dropped >= MANY, `${closed} + ${dropped}`);
  await comeAndGo(mute, MANY);
  await leavesCleanly(mute);
});

test('log - a socket that nobody reads, as supervisors give them: all goes on, and leaves with 0', {
  timeout: 90_000,
}, async (t) => {
  const mute = await spawnMute(t, 'pipe');
  await comeAndGo(mute, MANY);
  let text = '';
  mute.child.stderr!.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  await eventually(() => text.endsWith('\n') && count(text).dropped > 0, { withinMs: 10_000 });
  const { closed, dropped } = count(text);
  assert.ok(closed + dropped >= MANY, `${closed} + ${dropped}`);
  await leavesCleanly(mute);
});

test('log - whoever read it has gone: all goes on, and it leaves with 0', {
  timeout: 60_000,
}, async (t) => {
  const mute = await spawnMute(t, 'pipe');
  mute.child.stderr!.destroy();
  await comeAndGo(mute, 500);
  await leavesCleanly(mute);
});
