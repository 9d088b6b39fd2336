/** Nchan: the publish/subscribe module of nginx, the fastest widely packaged rival. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { eventually } from '../../test/support/wait.ts';
import { freePort, startChild } from '../support/child.ts';
import type { Peer } from '../support/peer.ts';
import { childrenOf } from '../support/procfs.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** One worker, so that CPU per delivery is one process's; publishers may keep their connection. */
const configuration = (folder: string, port: number): string => `
load_module ${MODULE};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events { worker_connections 19000; }
http {
  access_log off;
  ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/tmp;`).join('\n  ')}
  keepalive_requests 100000000;
  nchan_shared_memory_size 256M;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /sub {
      nchan_subscriber eventsource;
      nchan_channel_id chat;
      nchan_subscriber_first_message newest;
    }
    location = /pub { nchan_publisher; nchan_channel_id chat; }
  }
}
`;

function hasNginx(): boolean {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
    return existsSync(MODULE);
  } catch {
    return false;
  }
}

/** nginx prints it to standard error. */
function version(): string {
  const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  return stderr.replace(/^nginx version: /, '').trim();
}

export const nchan: Peer = {
  name: 'Nchan',
  settings:
    'Debian libnginx-mod-nchan, one worker, 256 MB, first message `newest`, no authentication',
  version,
  missing: () => (hasNginx() ? undefined : 'nginx with libnginx-mod-nchan is not installed'),
  async start(owner) {
    const folder = mkdtempSync(`${tmpdir()}/tidings-nchan-`);
    owner.after(() => rmSync(folder, { recursive: true }));
    mkdirSync(`${folder}/tmp`);
    const port = await freePort();
    const file = `${folder}/nginx.conf`;
    writeFileSync(file, configuration(folder, port));
    const log = `${folder}/error.log`;
    const master = await startChild(owner, ['nginx', '-p', folder, '-c', file, '-e', log], [port]);
    await eventually(() => childrenOf(master.pid!).length > 0, { what: 'a worker' });
    const at = { host: '127.0.0.1', port };
    return {
      name: this.name,
      pids: childrenOf(master.pid!),
      stream: at,
      emit: at,
      subscribe: () => ({ path: '/sub', headers: [] }),
      broadcast: { path: '/pub', headers: ['Content-Type: text/plain'], body: '{event}' },
    };
  },
};
