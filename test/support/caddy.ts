/** A real Caddy in front of the server, with the very file deploy/Caddyfile. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  deployFile,
  freePort,
  makeCertificate,
  type ProxyOptions,
  type RunningProxy,
  runProxy,
  temporaryFolder,
} from './proxy.ts';
import type { Owner } from './sse-client.ts';

/** Keeps Caddy to one port and one folder: no control port, no port 80, no certificate authority. */
const globalOptions = (folder: string): string => `{
	admin off
	auto_https disable_redirects
	storage file_system ${folder}/storage
}
`;

export async function startCaddy(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const folder = await temporaryFolder(t, 'caddy');
  const port = await freePort();
  const { cert, key } = await makeCertificate(folder);
  const names = `https://localhost:${port}, https://127.0.0.1:${port}`;
  const site = await deployFile('Caddyfile', {
    'events.example.com {': `${names} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'read_timeout 60s': `read_timeout ${options.idleSeconds ?? 60}s`,
  });
  const file = path.join(folder, 'Caddyfile');
  await writeFile(file, globalOptions(folder) + site);
  const args = ['run', '--config', file, '--adapter', 'caddyfile'];
  return runProxy(t, { command: 'caddy', args, folder, port });
}
