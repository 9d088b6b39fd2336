/** HAProxy in front of the control port, with the check that it makes when nobody has told it how. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SEARCH_PATH } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

const env = { ...process.env, PATH: SEARCH_PATH };

const whyNot = (command: string, args: readonly string[]): string | false =>
  spawnSync(command, args, { env }).error === undefined ? false : `${command} is not installed`;

/** `controlUrl` is that of the compatible door. */
async function start(t: TestContext): Promise<RunningServer> {
  const running = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  return { ...running, controlUrl: running.server.compatUrl };
}

function folderWith(t: TestContext, name: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const haproxyConfig = (folder: string, servers: Record<string, string>): string => `
global
  stats socket ${folder}/stats.sock
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
listen control
  bind unix@${folder}/control.sock
  option httpchk
${Object.entries(servers)
  .map(([name, url]) => `  server ${name} ${new URL(url).host} check inter 100ms`)
  .join('\n')}
`;

const noHaproxy = whyNot('haproxy', ['-v']);
test('haproxy - a plain option httpchk sees who is up', { skip: noHaproxy }, async (t) => {
  const running = await start(t);
  const servers = { compat: running.controlUrl, addon: running.server.controlUrl };
  const file = folderWith(t, 'haproxy.cfg', '');
  writeFileSync(file, haproxyConfig(dirname(file), servers));
  const child = spawn('haproxy', ['-db', '-f', file], { env, stdio: 'ignore' });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const socket = join(dirname(file), 'stats.sock');
  const checkOf = async (server: string) => {
    if (!existsSync(socket)) return undefined;
    const stats = await connectRaw(t, `unix:${socket}`);
    stats.send('show stat\n');
    await eventually(() => stats.closed);
    const [names = '', ...rows] = stats.text.split('\n');
    const row = rows.find((line) => line.startsWith(`control,${server},`));
    return row?.split(',')[names.split(',').indexOf('check_status')];
  };
  const sees = async (server: string, status: string) =>
    eventually(async () => (await checkOf(server)) === status, { what: `${server}: ${status}` });
  await sees('compat', 'L7OK');
  await sees('addon', 'L7STS');
  await running.server.stop();
  await sees('compat', 'L4CON');
});
