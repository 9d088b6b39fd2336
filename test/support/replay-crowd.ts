/**
 * A crowd that asks for a replay, on a thread of its own: its reading must not delay the test that
 * looks at what the server does for others meanwhile.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Member } from './crowd.ts';
import { range } from './faults.ts';
import { eventually } from './wait.ts';

export interface ReplayOrder {
  readonly publicUrl: string;
  readonly tokens: readonly string[];
  readonly lastEventId: string;
  /** The numbers that each client must get. */
  readonly first: number;
  readonly last: number;
}

/** Resolves when all have had as many events as they should, with what was wrong with them. */
export async function replayToCrowd(order: ReplayOrder): Promise<string[]> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: order });
  const [wrong] = (await once(worker, 'message')) as [string[]];
  await worker.terminate();
  return wrong;
}

function faultOf({ reader, numbers, gaps }: Member, wanted: readonly number[]): string {
  if (reader.broken !== undefined) return reader.broken;
  if (gaps.length > 0) return `told of a gap: ${JSON.stringify(gaps)}`;
  return isDeepStrictEqual(numbers, wanted) ? '' : `got ${numbers.length}, or in another order`;
}

async function run({ publicUrl, tokens, lastEventId, first, last }: ReplayOrder) {
  const members = tokens.map((token) => new Member(publicUrl, { token, lastEventId }));
  const wanted = range(first, last);
  await eventually(() => members.every(({ numbers }) => numbers.length >= wanted.length), {
    withinMs: 60_000,
    what: 'all replays',
  });
  return members.map((member) => faultOf(member, wanted)).filter((fault) => fault !== '');
}

if (parentPort !== null) parentPort.postMessage(await run(workerData as ReplayOrder));
