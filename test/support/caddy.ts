/** A real Caddy in front of the server, with the very file deploy/Caddyfile. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deployFile, makePlace, type ProxyOptions } from './proxy.ts';
import { type RunningProxy, runProxy } from './proxy-process.ts';
import type { Owner } from './sse-client.ts';

const adminSocket = (folder: string): string => `unix/${folder}/admin.sock`;

/** Keeps Caddy to one port and one folder: no other port, no port 80, no certificate authority. */
const globalOptions = (folder: string): string => `{
	admin ${adminSocket(folder)}
	auto_https disable_redirects
	storage file_system ${folder}/storage
}
`;

export async function startCaddy(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const { folder, port, certificate } = await makePlace(t, 'caddy');
  const names = `https://localhost:${port}, https://127.0.0.1:${port}`;
  const site = await deployFile('Caddyfile', {
    'events.example.com {': `${names} {\n\tbind 127.0.0.1\n\ttls ${certificate.cert} ${certificate.key}`,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'read_timeout 60s': `read_timeout ${options.idleSeconds ?? 60}s`,
  });
  const file = path.join(folder, 'Caddyfile');
  await writeFile(file, globalOptions(folder) + site);
  const config = ['--config', file, '--adapter', 'caddyfile'];
  return runProxy(t, {
    command: 'caddy',
    args: ['run', ...config],
    folder,
    port,
    ready: 'autosaved config',
    reload: ['caddy', 'reload', '--force', ...config, '--address', adminSocket(folder)],
    leave: 'SIGTERM',
  });
}
