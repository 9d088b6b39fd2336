/** A real HAProxy in front of the server, with the very file deploy/haproxy.cfg. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deployFile, makePlace, type ProxyOptions } from './proxy.ts';
import { type RunningProxy, runProxy } from './proxy-process.ts';
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
  // -W has a master, which gives way to a new worker on SIGUSR2.
  const args = ['-W', '-db', '-f', file];
  const ready = 'Loading success';
  return runProxy(t, {
    command: 'haproxy',
    args,
    folder,
    port,
    ready,
    reload: 'SIGUSR2',
    leave: 'SIGUSR1',
  });
}

export async function startHaproxy(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const { folder, port, certificate } = await makePlace(t, 'haproxy');
  const bind = `bind 127.0.0.1:${port} ssl crt ${certificate.both} alpn h2,http/1.1`;
  return start(t, { port, bind, folder }, options);
}

/** The same without TLS, where the kernel, too, may hold an event back for the next one. */
export async function startHaproxyWithoutTls(
  t: Owner,
  options: ProxyOptions,
): Promise<RunningProxy> {
  const { folder, port } = await makePlace(t, 'haproxy');
  const running = await start(t, { port, bind: `bind 127.0.0.1:${port}`, folder }, options);
  return { ...running, url: `http://localhost:${port}` };
}
