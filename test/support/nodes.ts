/** Two nodes on one NATS server, and what tests ask of either. */
import assert from 'node:assert/strict';
import { post } from './emitting.ts';
import { type RunningServer, startServer, TWO_THREADS } from './server.ts';
import { type Owner, openStream, type SseClient } from './sse-client.ts';
import { bearer, tokenFor } from './tokens.ts';
import { eventually } from './wait.ts';

export type Node = Pick<RunningServer, 'controlUrl' | 'publicUrl'>;

export type Answer = Readonly<Record<string, unknown>>;

/** GET, which must be 200. */
export async function ask({ controlUrl }: Node, path: string): Promise<Answer> {
  const response = await fetch(controlUrl + path);
  assert.equal(response.status, 200);
  return (await response.json()) as Answer;
}

/** POST of JSON, which must be 200. */
export async function tell({ controlUrl }: Node, path: string, body: object): Promise<Answer> {
  const { status, text } = await post(controlUrl + path, body);
  assert.equal(status, 200, text);
  return JSON.parse(text) as Answer;
}

/** How many nodes this one knows to live. */
export async function membersOf({ controlUrl }: Node): Promise<number> {
  const text = await (await fetch(`${controlUrl}/metrics`)).text();
  return Number(/^tidings_cluster_members (\d+)/m.exec(text)?.[1]);
}

/** Waits until each of them knows them all. */
export async function acquainted(nodes: readonly Node[]): Promise<void> {
  for (const node of nodes)
    await eventually(async () => (await membersOf(node)) === nodes.length, {
      what: 'the other nodes',
    });
}

/** Two nodes that know each other, the second with two threads. */
export async function twoNodes(
  t: Owner,
  urls: string,
  args: readonly string[] = [],
): Promise<[RunningServer, RunningServer]> {
  const start = (...more: string[]) => startServer(t, ['-nats', urls, ...args, ...more]);
  const both = [start(), start(...TWO_THREADS)];
  const nodes = (await Promise.all(both)) as [RunningServer, RunningServer];
  await acquainted(nodes);
  return nodes;
}

/** A stream whose first bytes have arrived. */
export async function openOn(
  t: Owner,
  { publicUrl }: Node,
  user: string,
  ...channels: string[]
): Promise<SseClient> {
  const headers = bearer(tokenFor(user, channels));
  const stream = await openStream(t, `${publicUrl}/events/`, { headers });
  await eventually(() => stream.everything.length > 0, { what: 'the opening' });
  return stream;
}

/** One member of each row of an answer. */
export const column = (rows: unknown, name: string): unknown[] =>
  (rows as Record<string, unknown>[]).map((row) => row[name]);
