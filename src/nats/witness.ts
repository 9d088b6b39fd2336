/**
 * Whether the stream still is the one that this node has followed. One that has lost its newest events,
 * and has grown again since, has other events under the same numbers: the newest that this node has got
 * is witness. No two events are stored with the same bytes, since each says where it came from.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import { factsOf } from './streams.ts';
import { STREAM } from './subjects.ts';

export interface Witness {
  readonly n: number;
  /** As it came. */
  readonly data: Uint8Array;
}

/** `unsure`: it does not reach that far, perhaps for whoever answered: ask again. */
export type Verdict = 'same' | 'other' | 'unsure';

/** Rejects when NATS does not answer. */
export async function verdictOf(jsm: JetStreamManager, { n, data }: Witness): Promise<Verdict> {
  const stored = await jsm.streams.getMessage(STREAM, { seq: n });
  if (stored !== null) return Buffer.compare(stored.data, data) === 0 ? 'same' : 'other';
  // Nothing to compare with: dropped since, or taken out by hand.
  return (await factsOf(jsm)).last < n ? 'unsure' : 'same';
}
