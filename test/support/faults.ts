/** What the tests of faults share. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SpawnedServer } from './spawn-server.ts';
import type { Owner } from './sse-client.ts';
import { tokenFor } from './tokens.ts';

export const pidOf = ({ process }: SpawnedServer): number => process.pid!;

/** A path for a file in a folder of its own, removed by `t.after`. */
export function scratchFile(t: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-faults-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'file');
}

export type Emitter = (channel: string, data: string, userId?: string) => Promise<number>;

/** Emits over one connection that stays open. Resolves with the event's number. */
export function emitterFor(t: Owner, controlUrl: string): Emitter {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  return async (channel, data, userId = '*') => {
    const body = new URLSearchParams({ userId, channel, payload: `data: ${data}` }).toString();
    const answer = await post(`${controlUrl}/emit/`, body, agent);
    const { id } = JSON.parse(answer) as { id?: string };
    if (id === undefined) throw new Error(`emit was refused: ${answer}`);
    return Number(id.split('-')[1]);
  };
}

function post(url: string, body: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
    };
    const req = request(url, { method: 'POST', agent, headers });
    req.on('error', reject);
    req.on('response', (res) => text(res).then(resolve, reject));
    req.end(body);
  });
}

/** Tokens for `count` users of the channel. */
export const tokensFor = (count: number, channel: string | readonly string[] = 'news') =>
  Array.from({ length: count }, (_, i) => tokenFor(`u${i}`, channel));

/** The whole numbers from `first` to `last`. */
export const range = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Emits `count` events one after the other; resolves with the number of the last. */
export async function emitMany(emit: Emitter, channel: string, count: number): Promise<number> {
  let last = 0;
  for (let i = 0; i < count; i += 1) last = await emit(channel, `${i}`);
  return last;
}
