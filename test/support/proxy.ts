/** What the real proxies in the tests share: is it installed, a folder, a port, a certificate. */
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './free-ports.ts';
import type { Owner } from './sse-client.ts';

/** Servers live in folders that an ordinary user's PATH leaves out. */
export const SEARCH_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;

export interface ProxyOptions {
  /** Port of the server's public listener on 127.0.0.1. */
  readonly publicPort: number;
  /** Replaces the idle limit of the configuration file, in seconds. */
  readonly idleSeconds?: number;
}

/** Why a test that needs `binary` cannot run here, or false: made for `t.skip` and `{ skip }`. */
export function missing(binary: string): string | false {
  try {
    execFileSync('/bin/sh', ['-c', `command -v ${binary}`], { env: { PATH: SEARCH_PATH } });
    return false;
  } catch {
    return `${binary} is not installed`;
  }
}

/** A folder that other users can enter: the proxies drop root. Removed by `t.after`. */
export async function temporaryFolder(t: Owner, name: string): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), `tidings-${name}-`));
  await chmod(folder, 0o755);
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly both: string;
}

/** Where one proxy keeps its files and listens. */
export interface Place {
  readonly folder: string;
  readonly port: number;
  readonly certificate: Certificate;
}

export async function makePlace(t: Owner, name: string): Promise<Place> {
  const folder = await temporaryFolder(t, name);
  return { folder, port: await freePort(), certificate: await makeCertificate(folder) };
}

/** A self-signed certificate for localhost and 127.0.0.1 in `folder`. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const both = path.join(folder, 'localhost.pem');
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
  ];
  const contents = ['-days', '2', '-subj', '/CN=localhost', '-addext', names];
  await promisify(execFile)('openssl', [...request, ...contents, '-keyout', both, '-out', both]);
  return { cert: both, key: both, both };
}

/** Reads a file of `deploy/` and replaces each text; one that is not there is an error, so the file cannot drift. */
export async function deployFile(
  name: string,
  replacements: Readonly<Record<string, string>>,
): Promise<string> {
  const file = fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url));
  let text = await readFile(file, 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`deploy/${name} no longer has the text "${from}"`);
    text = text.replaceAll(from, to);
  }
  return text;
}
