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

export async function startHaproxy(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const folder = await temporaryFolder(t, 'haproxy');
  const port = await freePort();
  const { both } = await makeCertificate(folder);
  const idleSeconds = options.idleSeconds ?? 60;
  const config = await deployFile('haproxy.cfg', {
    ':443': `127.0.0.1:${port}`,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'timeout client 60s': `timeout client ${idleSeconds}s`,
    'timeout server 60s': `timeout server ${idleSeconds}s`,
    '/etc/haproxy/events.example.com.pem': both,
    'maxconn 20000': 'maxconn 1000', // HAProxy refuses to start above half the file limit
    // One thread is enough, and other tests share the machine.
    '\nglobal\n': '\nglobal\n  nbthread 1\n',
  });
  const file = path.join(folder, 'haproxy.cfg');
  await writeFile(file, config);
  return runProxy(t, { command: 'haproxy', args: ['-db', '-f', file], folder, port });
}
