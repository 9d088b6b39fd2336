/** autocannon as a child process: how many calls a second a port answers. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Address, Publication } from './peer.ts';

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon');

export interface Cannon {
  readonly requests: { readonly average: number };
  /** In whole milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly '2xx': number;
  readonly non2xx: number;
  readonly errors: number;
}

export interface Shots {
  readonly connections: number;
  readonly seconds: number;
  /** Requests on one connection that wait for their answer at the same time. */
  readonly pipelining?: number;
}

/** Posts the same publication again and again. */
export async function fire(
  { host, port }: Address,
  { path, headers, body }: Publication,
  { connections, seconds, pipelining = 1 }: Shots,
): Promise<Cannon> {
  const args = ['-c', connections, '-d', seconds, '-p', pipelining].map(String);
  const fields = headers.flatMap((line) => ['-H', line.replace(/: ?/, '=')]);
  const url = `http://${host}:${port}${path}`;
  const child = spawn(
    process.execPath,
    [AUTOCANNON, '--json', '-m', 'POST', ...args, ...fields, '-b', body, url],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  return JSON.parse(text) as Cannon;
}

/** Calls that were not answered with success. */
export const failed = ({ non2xx, errors }: Cannon): number => non2xx + errors;
