/** A real Apache with mpm_event in front of the server: with the plain block every user has, or with deploy/apache.conf. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from './free-ports.ts';
import { deployFile, makePlace, missing, type Place, type ProxyOptions } from './proxy.ts';
import { type RunningProxy, runProxy } from './proxy-process.ts';
import type { Owner } from './sse-client.ts';

const MODULES_FOLDER = '/usr/lib/apache2/modules';
const MODULES =
  'mpm_event http2 authz_core mime dir alias headers env rewrite deflate filter reqtimeout setenvif ssl socache_shmcb proxy proxy_http';

export interface ApacheOptions extends ProxyOptions {
  /** Files served at `/`. Apache runs as www-data: the folder and its parents must be readable by all. */
  readonly documentRoot?: string;
  /** Further directives for both virtual hosts. */
  readonly snippet?: string;
  /** Takes the place of the plain block. */
  readonly block?: string;
}

export interface Apache extends RunningProxy {
  /** The same virtual host without TLS: `http://localhost:PORT`. */
  readonly httpUrl: string;
}

/** The reason to skip a test that needs Apache, or false. */
export const missingApache = (): string | false => missing('apache2');

/** Server-wide directives that a Debian system has outside its virtual hosts. */
const serverConfig = ({ folder }: Place): string => `
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog /dev/stderr
${MODULES.split(' ')
  .map((name) => `LoadModule ${name}_module ${MODULES_FOLDER}/mod_${name}.so`)
  .join('\n')}
User www-data
Group www-data
ServerName localhost
TypesConfig /dev/null
AddType text/html .html
AddType text/javascript .js .mjs
AddType text/css .css
AddType image/svg+xml .svg
DirectoryIndex index.html
ServerLimit 4
ThreadsPerChild 50
MaxRequestWorkers 200
Timeout 60
`;

/** The three directives of the contract, as they stand in every user's configuration. */
export const contractBlock = (publicPort: number): string => `
ProxyPass /api/sse/ http://127.0.0.1:${publicPort}/events/
ProxyPassReverse /api/sse/ http://127.0.0.1:${publicPort}/events/
ProxyPreserveHost On
`;

async function run(t: Owner, place: Place, sites: string): Promise<RunningProxy> {
  const { folder, port } = place;
  const file = path.join(folder, 'apache.conf');
  await writeFile(file, serverConfig(place) + sites);
  const args = ['-DFOREGROUND', '-f', file];
  return runProxy(t, {
    command: 'apache2',
    args,
    folder,
    port,
    ready: 'resuming normal operations',
    reload: 'SIGUSR1',
    leave: 'SIGWINCH',
  });
}

async function rootFor(folder: string, given: string | undefined): Promise<string> {
  const root = given ?? path.join(folder, 'htdocs');
  await mkdir(root, { recursive: true });
  const { mode } = await stat(root);
  if ((mode & 0o005) !== 0o005) throw new Error(`Apache's user cannot read ${root}: chmod 755`);
  return root;
}

/** Starts Apache with the contract's block and nothing that helps it, over TLS and plain HTTP. */
export async function startApache(t: Owner, options: ApacheOptions): Promise<Apache> {
  const place = await makePlace(t, 'apache');
  const httpPort = await freePort();
  const root = await rootFor(place.folder, options.documentRoot);
  const inside = `
DocumentRoot ${root}
<Directory ${root}>
  Require all granted
</Directory>
${options.idleSeconds === undefined ? '' : `Timeout ${options.idleSeconds}`}
${options.block ?? contractBlock(options.publicPort)}
${options.snippet ?? ''}`;
  const { cert, key } = place.certificate;
  const tls = `SSLEngine on\nSSLCertificateFile ${cert}\nSSLCertificateKeyFile ${key}`;
  const sites = `Listen 127.0.0.1:${place.port}
Listen 127.0.0.1:${httpPort}
<VirtualHost 127.0.0.1:${place.port}>\n${tls}${inside}</VirtualHost>
<VirtualHost 127.0.0.1:${httpPort}>${inside}</VirtualHost>\n`;
  return { ...(await run(t, place, sites)), httpUrl: `http://localhost:${httpPort}` };
}

/** Starts Apache with the block that docs/proxies.md gives as the least that works. */
export async function startDocumentedApache(t: Owner, options: ProxyOptions): Promise<Apache> {
  const page = await readFile(new URL('../../../docs/proxies.md', import.meta.url), 'utf8');
  const block = /```apache\n(.+?)```/s.exec(page)![1]!;
  const { publicPort } = options;
  return startApache(t, { ...options, block: block.replaceAll(':8000', `:${publicPort}`) });
}

/** Starts Apache with the recommended virtual host, the very file, its names replaced. */
export async function startDeployedApache(t: Owner, options: ProxyOptions): Promise<RunningProxy> {
  const place = await makePlace(t, 'apache');
  const site = await deployFile('apache.conf', {
    '*:443': `127.0.0.1:${place.port}`,
    '127.0.0.1:8000': `127.0.0.1:${options.publicPort}`,
    'timeout=60': `timeout=${options.idleSeconds ?? 60}`,
    '/etc/ssl/certs/events.example.com.pem': place.certificate.cert,
    '/etc/ssl/private/events.example.com.key': place.certificate.key,
  });
  return run(t, place, `Listen 127.0.0.1:${place.port}\n${site}`);
}
