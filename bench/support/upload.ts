/** One request with many lines. Its bytes are ready before the clock starts, so that making them is in no figure. */
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { nowNs } from '../node-load/marker.ts';
import { type Address, type Bulk, headersOf } from './peer.ts';

/** A timer is up to 1 ms late: what is left is waited for awake. */
const AWAKE_MS = 2;

export interface Upload {
  readonly to: Address;
  readonly bulk: Bulk;
  /** Whole lines, which are sent so many times. */
  readonly block: Buffer;
  readonly times: number;
  /** When to begin, by the clock of the markers; at once by default. */
  readonly at?: number;
}

export interface Uploaded {
  /** Events that the server says it has taken. */
  readonly accepted: number;
  /** From the beginning of the connection to the end of the answer. */
  readonly seconds: number;
}

async function waitUntil(at: number): Promise<void> {
  const ms = (at - nowNs()) / 1e6 - AWAKE_MS;
  if (ms > 0) await delay(ms);
  while (nowNs() < at);
}

/** Sends all of it, as fast as it is taken, and reads the answer. */
export async function upload({ to, bulk, block, times, at }: Upload): Promise<Uploaded> {
  if (at !== undefined) await waitUntil(at);
  const begun = at ?? nowNs();
  const headers = { ...headersOf(bulk), 'Content-Length': block.length * times };
  const post = request({ ...to, path: bulk.path, method: 'POST', headers, agent: false });
  const answered = once(post, 'response');
  for (let i = 0; i < times; i += 1) if (!post.write(block)) await once(post, 'drain');
  post.end();
  const [answer] = await answered;
  const body = Buffer.concat(await answer.toArray()).toString();
  const { accepted = 0 } = JSON.parse(body) as { accepted?: number };
  return { accepted, seconds: (nowNs() - begun) / 1e9 };
}
