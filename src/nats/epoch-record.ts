/**
 * Which epoch the numbers of the stream belong to. A stream made anew counts from 1 again, and one
 * whose servers lost their disks may go back: then the numbers that clients have mean something else,
 * and the epoch has to be another. A record beside the stream says how far it had got.
 *
 *   epoch = when the stream was made, in base36; the second time that it goes back, `g1`, `g2` …
 */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { isNotFound, type StreamFacts } from './streams.ts';
import { EPOCH_STREAM, EPOCH_SUBJECT } from './subjects.ts';

export interface EpochRecord {
  /** When the stream was made, in milliseconds since 1970. */
  readonly created: number;
  /** How often it has gone back since. */
  readonly generation: number;
  /** A number that it had reached. */
  readonly reached: number;
}

interface Stored {
  readonly record: EpochRecord;
  /** Of the record itself, for a change by one node alone. */
  readonly revision: number;
}

export const epochOf = ({ created, generation }: EpochRecord): string =>
  created.toString(36) + (generation === 0 ? '' : `g${generation.toString(36)}`);

/** The record that is true of a stream of these facts; `known`: the one that was written last; `seen`: a number that it has had. */
export function recordFor(
  { created, last }: StreamFacts,
  known: EpochRecord | undefined,
  seen = 0,
): EpochRecord {
  const isOther = known === undefined || known.created !== created;
  if (isOther) return { created, generation: 0, reached: last };
  if (last < Math.max(known.reached, seen))
    return { created, generation: known.generation + 1, reached: last };
  return { ...known, reached: last };
}

export interface OwnView {
  readonly epoch: string;
  /** Infinite when the stream is known to have gone back, however far it is by now. */
  readonly seen: number;
}

export class EpochKeeper {
  readonly #jsm: JetStreamManager;
  readonly #js: JetStreamClient;

  constructor(jsm: JetStreamManager, js: JetStreamClient) {
    this.#jsm = jsm;
    this.#js = js;
  }

  /**
   * Writes what is true now, and returns it. `own`: this node's epoch, and a number that it has got from
   * the stream. Rejects when another node wrote at the same time: ask again.
   */
  async update(ask: () => Promise<StreamFacts>, own?: OwnView): Promise<EpochRecord> {
    const stored = await this.#read();
    // After the record: by then the stream had reached what is in it.
    const facts = await ask();
    // Another node may have told of the same going back already.
    const isOwn = stored !== undefined && epochOf(stored.record) === own?.epoch;
    const record = recordFor(facts, stored?.record, isOwn ? own?.seen : 0);
    const isSame = stored !== undefined && epochOf(stored.record) === epochOf(record);
    if (isSame && record.reached === stored.record.reached) return record;
    await this.#js.publish(EPOCH_SUBJECT, JSON.stringify(record), {
      expect: { lastSubjectSequence: stored?.revision ?? 0 },
    });
    return record;
  }

  async #read(): Promise<Stored | undefined> {
    try {
      const message = await this.#jsm.streams.getMessage(EPOCH_STREAM, {
        last_by_subj: EPOCH_SUBJECT,
      });
      if (message === null) return undefined;
      return { record: parseRecord(message.string()), revision: message.seq };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function parseRecord(text: string): EpochRecord {
  const value: unknown = JSON.parse(text);
  const { created, generation, reached } = Object(value) as Record<string, unknown>;
  const isWhole = [created, generation, reached].every(Number.isSafeInteger);
  if (!isWhole) throw new Error(`the record under ${EPOCH_SUBJECT} in NATS is not one of tidings`);
  return { created: Number(created), generation: Number(generation), reached: Number(reached) };
}
