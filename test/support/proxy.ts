/** What the real proxies in the tests share: is it installed, a folder, a port, a certificate, a child process. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

/** Proxies wait for open streams when they are asked to end; after this the process group is killed. */
const STOP_MS = 500;

/** Servers live in folders that an ordinary user's PATH leaves out. */
const SEARCH_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;

export interface ProxyOptions {
  /** Port of the server's public listener on 127.0.0.1. */
  readonly publicPort: number;
  /** Replaces the idle limit of the configuration file, in seconds. */
  readonly idleSeconds?: number;
}

export interface RunningProxy {
  /** `https://localhost:PORT`, without a trailing slash. */
  readonly url: string;
  /** Everything it wrote to stdout and stderr. */
  readonly output: () => string;
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

/** A loopback port that was free a moment ago, for programs that cannot report the port they took. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly both: string;
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

async function accepts(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  const { pid } = child;
  if (pid === undefined) return;
  child.kill('SIGTERM');
  const patience = setTimeout(() => process.kill(-pid, 'SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(patience);
}

export interface ProxyCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Takes its output: a file, because Apache opens /dev/stderr by name, which a pipe of Node refuses. */
  readonly folder: string;
  /** The child is up once this port accepts connections, */
  readonly port: number;
  /** and this was in its output: Apache opens its port, closes it and reads its configuration again. */
  readonly ready?: string;
}

/** Runs a proxy in the foreground, in a process group of its own; ended by `t.after`. */
export async function runProxy(t: Owner, run: ProxyCommand): Promise<RunningProxy> {
  const file = path.join(run.folder, 'output.log');
  const fd = openSync(file, 'a');
  const child = spawn(run.command, run.args, {
    detached: true,
    stdio: ['ignore', fd, fd],
    env: { ...process.env, PATH: SEARCH_PATH, HOME: run.folder, APACHE_LOG_DIR: run.folder },
  });
  closeSync(fd);
  t.after(() => stop(child));
  const output = () => readFileSync(file, 'utf8');
  const up = () => {
    if (child.exitCode !== null) throw new Error(`${run.command} ended:\n${output()}`);
    return output().includes(run.ready ?? '') && accepts(run.port);
  };
  await eventually(up, { withinMs: 15_000, what: `${run.command} to listen` });
  return { url: `https://localhost:${run.port}`, output };
}
