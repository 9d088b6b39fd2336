/** The command as operators meet it: exit codes, sentences, signals. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectRaw, dechunk, type RawClient, streamRequest } from '../support/raw-client.ts';
import { CLI, emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, SECRET, tokenFor } from '../support/tokens.ts';
import { eventually, within } from '../support/wait.ts';

const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 20_000,
  });

const SOMEWHERE = ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0'];

function refusedWith(args: string[], sentence: RegExp, env: NodeJS.ProcessEnv = {}): void {
  const { status, stdout, stderr } = run([...SOMEWHERE, ...args], env);
  assert.equal(status, 2, `${args}: ${stderr}`);
  assert.equal(stdout, '');
  const last = stderr.trimEnd().split('\n').at(-1)!;
  assert.match(last, sentence);
  assert.match(last, /^tidings: /);
}

const folderOf = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

test('cli - what cannot start says why in one sentence and exits with 2', () => {
  refusedWith(['-bogus'], /unknown flag -bogus/);
  refusedWith([], /no secret: give -secret/);
  refusedWith(['-secret', ''], /-secret must not be empty/);
  refusedWith(['-secret', SECRET, '-stall', 'x'], /-stall must be a whole number/);
  refusedWith(['-secret', SECRET, '-bind', 'nowhere'], /-bind must be host:port/);
  refusedWith(
    ['-secret', SECRET, '-bind', '192.0.2.1:0'],
    /-bind 192\.0\.2\.1:0: cannot listen, this machine does not have this address/,
  );
  refusedWith(['-secret', SECRET, '-bind', 'name.invalid:0'], /cannot listen/);
  refusedWith(['-secret', SECRET, '-bindctl', '0.0.0.0:0'], /set -ctl-token/);
  refusedWith(['-secret-file', '/does/not/exist'], /cannot read/);
  refusedWith(['-public-key', CLI], /-public-key is not a public key/);
  refusedWith(['-secret', SECRET, '-cert', '/nope', '-key', '/nope'], /-cert: cannot read/);
  refusedWith(['-secret', SECRET, '-cert', CLI, '-key', CLI], /not a usable pair/);
  refusedWith(['-secret', SECRET, '-bind', 'unix:/does/not/exist.sock'], /the folder is missing/);
});

test('cli - a port in use is told, with tidings there and with a stranger', async (t) => {
  const server = await spawnServer(t);
  refusedWith(
    ['-secret', SECRET, '-bind', new URL(server.publicUrl).host],
    /-bind 127\.0\.0\.1:\d+: cannot listen, another process has this port/,
  );
  refusedWith(
    ['-secret', SECRET, '-bindctl', new URL(server.controlUrl).host],
    /-bindctl .* another process has this port/,
  );
  const stranger = createServer().listen(0, '127.0.0.1');
  t.after(() => stranger.close());
  await eventually(() => stranger.address() !== null);
  const { port } = stranger.address() as { port: number };
  refusedWith(['-secret', SECRET, '-bind', `127.0.0.1:${port}`], /another process has this port/);
});

test('cli - a unix socket is shared with the group, taken over when stale, never from the living', async (t) => {
  const folder = folderOf(t);
  const path = join(folder, 'control.sock');
  const server = await spawnServer(t, ['-bindctl', `unix:${path}`]);
  assert.equal(statSync(path).mode & 0o777, 0o660);
  refusedWith(['-secret', SECRET, '-bindctl', `unix:${path}`], /another process listens there/);
  await server.stop('SIGKILL');
  assert.ok(existsSync(path), 'a killed server leaves its socket');
  const next = await spawnServer(t, ['-bindctl', `unix:${path}`]);
  assert.equal(await next.stop(), 0);
  assert.equal(existsSync(path), false, 'a stopped one does not');
  writeFileSync(path, 'precious');
  refusedWith(['-secret', SECRET, '-bindctl', `unix:${path}`], /there is a file of that name/);
  assert.equal(readFileSync(path, 'utf8'), 'precious');
});

test('cli - help and version', () => {
  const help = run(['-help']);
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /-bindctl <text>\n/);
  const version = run(['--version']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(version.status, 0);
});

test('cli - what images and orchestrators put into the environment does no harm, but is told', async (t) => {
  const env = { TIDINGS_VERSION: '1.2.3', TIDINGS_HELP: 'x', TIDINGS_PORT: 'tcp://10.0.0.1:8000' };
  const server = await spawnServer(t, [], env);
  const warned = server.log().filter((line) => line['level'] === 40);
  assert.deepEqual(
    warned.map((line) => line['msg']),
    ['no option has these variables, which are left out: TIDINGS_PORT'],
  );
});

test('cli - a secret that ends in a line end counts with it, and is told', async (t) => {
  const ending = await spawnServer(t, ['-secret', `${SECRET}\n`]);
  assert.ok(ending.log().some((line) => /ends with a line end/.test(String(line['msg']))));
  assert.ok(!JSON.stringify(ending.log()).includes(SECRET));
});

test('cli - a short secret starts with a warning', async (t) => {
  const server = await spawnServer(t, ['-secret', 'MySuperPassword42']);
  assert.ok(server.log().some((line) => /shorter than 32 bytes/.test(String(line['msg']))));
  const long = await spawnServer(t);
  assert.ok(!long.log().some((line) => /shorter than/.test(String(line['msg']))));
});

test('cli - the secret is not in the process list, from a file not in the environment either', async (t) => {
  const file = join(folderOf(t), 'secret');
  writeFileSync(file, `${SECRET}\n`);
  chmodSync(file, 0o600);
  const server = await spawnServer(t);
  const cmdline = readFileSync(`/proc/${server.process.pid}/cmdline`, 'utf8');
  assert.ok(!cmdline.includes(SECRET), cmdline);
});

test('cli - -dev makes a secret, prints a curl line that works and serves a page', async (t) => {
  const server = await spawnServer(t, ['-dev']);
  await eventually(() => server.stdout().includes('curl -N'));
  const line = server
    .stdout()
    .split('\n')
    .find((text) => text.includes('curl -N'))!;
  const [, header, url] = /-H '([^']+)' (\S+)/.exec(line)!;
  const stream = await openStream(t, url!, {
    headers: { authorization: header!.replace('Authorization: ', '') },
  });
  await emit(server.controlUrl, { userId: 'demo', channel: 'demo', payload: 'data: hello' });
  assert.equal((await stream.next()).data, 'hello');
  const page = await fetch(`${server.controlUrl}/`);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type')!, /text\/html/);
  assert.ok((await page.text()).includes(`${server.publicUrl}/events/`));
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`cli - ${signal} ends every stream on a whole frame and a terminating chunk, exit 0`, async (t) => {
    const server = await spawnServer(t);
    const raw = await connectRaw(t, server.publicUrl);
    raw.send(streamRequest(tokenFor('ann')));
    await raw.until(/retry/);
    const sse = await openStream(t, `${server.publicUrl}/events/`, {
      headers: bearer(tokenFor('bob')),
    });
    await emit(server.controlUrl, { userId: '*', channel: 'news', payload: 'data: last' });
    assert.equal(await server.stop(signal), 0);
    await raw.until(/\r\n0\r\n\r\n$/);
    assert.match(
      dechunk(raw.bytes).toString(),
      /data: last\nid: [a-z0-9]+-1\n\n:\nretry: \d+\n:\n$/,
    );
    await sse.end();
    assert.equal(sse.cut, false);
  });
}

async function blockedStream(t: TestContext, server: SpawnedServer): Promise<RawClient> {
  const raw = await connectRaw(t, server.publicUrl);
  raw.send(streamRequest(tokenFor('ann')));
  await raw.until(/retry/);
  raw.socket.pause();
  const payload = `data: ${'x'.repeat(1_000_000)}`;
  for (let i = 0; i < 20; i += 1)
    await emit(server.controlUrl, { userId: '*', channel: 'news', payload });
  return raw;
}

test('cli - SIGTERM while a stream is blocked: what it reads then is whole and terminated', {
  timeout: 60_000,
}, async (t) => {
  const server = await spawnServer(t, ['-max-body', '2000000', '-history', '100']);
  const raw = await blockedStream(t, server);
  const stopped = server.stop();
  await eventually(() => server.log().some((line) => line['msg'] === 'streams ended'));
  raw.socket.resume();
  await raw.until(/\r\n0\r\n\r\n$/, { withinMs: 20_000 });
  assert.equal(await stopped, 0);
  const frames = dechunk(raw.bytes)
    .toString()
    .split('\n\n')
    .filter((frame) => frame.includes('data: x'));
  assert.ok(frames.length > 0);
  for (const frame of frames) assert.match(frame.slice(-60), /x\nid: [a-z0-9]+-\d+$/);
});

test('cli - a second signal does not wait for blocked streams', { timeout: 60_000 }, async (t) => {
  const server = await spawnServer(t, ['-max-body', '2000000']);
  await blockedStream(t, server);
  server.process.kill('SIGTERM');
  await eventually(() => server.log().some((line) => line['msg'] === 'streams ended'));
  // The first one alone would take five seconds.
  const code = await within(server.stop('SIGTERM'), { withinMs: 3_000, what: 'the exit' });
  assert.equal(code, 0);
});
