/** A real nginx in front of the server, with the very file deploy/nginx.conf. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deployFile, makePlace, type ProxyOptions } from './proxy.ts';
import { type RunningProxy, runProxy } from './proxy-process.ts';
import type { Owner } from './sse-client.ts';

const TEMPORARY_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** What a system's own nginx.conf has around the file; the paths keep it out of the system's folders. */
const mainConfig = (folder: string, site: string): string => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
${TEMPORARY_PATHS.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
${site}
}
`;

export async function startNginx(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const { folder, port, certificate } = await makePlace(t, 'nginx');
  const site = await deployFile('nginx.conf', {
    'listen 443': `listen 127.0.0.1:${port}`,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'proxy_read_timeout 60s': `proxy_read_timeout ${options.idleSeconds ?? 60}s`,
    '/etc/ssl/certs/events.example.com.pem': certificate.cert,
    '/etc/ssl/private/events.example.com.key': certificate.key,
    '/var/log/nginx': folder,
  });
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, mainConfig(folder, site));
  const args = ['-p', folder, '-c', file];
  const ready = 'start worker process ';
  return runProxy(t, {
    command: 'nginx',
    args,
    folder,
    port,
    ready,
    reload: 'SIGHUP',
    leave: 'SIGQUIT',
  });
}
