/** A real HAProxy in front of the server, with the very file deploy/haproxy.cfg. */
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

const BIND = 'bind :443 ssl crt /etc/haproxy/events.example.com.pem alpn h2,http/1.1';

interface Binding {
  readonly port: number;
  readonly bind: string;
  readonly folder: string;
}

async function start(
  t: Owner,
  { port, bind, folder }: Binding,
  options: ProxyOptions,
): Promise<RunningProxy> {
  const idleSeconds = options.idleSeconds ?? 60;
  const config = await deployFile('haproxy.cfg', {
    [BIND]: bind,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'timeout client 60s': `timeout client ${idleSeconds}s`,
    'timeout server 60s': `timeout server ${idleSeconds}s`,
    'maxconn 20000': 'maxconn 1000', // HAProxy refuses to start above half the file limit
    // One thread is enough, and other tests share the machine.
    '\nglobal\n': '\nglobal\n  nbthread 1\n',
  });
  const file = path.join(folder, 'haproxy.cfg');
  await writeFile(file, config);
  return runProxy(t, { command: 'haproxy', args: ['-db', '-f', file], folder, port });
}

export async function startHaproxy(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const folder = await temporaryFolder(t, 'haproxy');
  const { both } = await makeCertificate(folder);
  const port = await freePort();
  const bind = `bind 127.0.0.1:${port} ssl crt ${both} alpn h2,http/1.1`;
  return start(t, { port, bind, folder }, options);
}

/** The same without TLS, where the kernel, too, may hold an event back for the next one. */
export async function startHaproxyWithoutTls(
  t: Owner,
  options: ProxyOptions,
): Promise<RunningProxy> {
  const folder = await temporaryFolder(t, 'haproxy');
  const port = await freePort();
  const running = await start(t, { port, bind: `bind 127.0.0.1:${port}`, folder }, options);
  return { ...running, url: `http://localhost:${port}` };
}
