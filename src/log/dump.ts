/**
 * What a hub knows, as one process hands it to the next: shapes only, and the order of entries. The
 * lines of the file are in `snapshot-format`, the file itself in `snapshot-file`.
 */

import type { ChannelLog } from './channel-log.ts';
import type { Entry, Recipients } from './entry.ts';
import type { Eviction } from './evictions.ts';
import type { Epoch } from './lineage.ts';

export interface DumpedEntry {
  readonly n: number;
  /** One user, several, or null for everyone. */
  readonly to: string | readonly string[] | null;
  readonly channels: readonly string[];
  /** The encoded frame. */
  readonly text: string;
  /** Seconds since it was appended. */
  readonly age: number;
}

/** A key of emits: one event, or the lines of an upload. */
export type DumpedKey = {
  readonly key: string;
  /** Not used for longer. */
  readonly isOld: boolean;
} & (
  | { readonly fingerprint: number; readonly n: number }
  | {
      /** From which line on how many have the numbers from which on. */
      readonly runs: readonly (readonly [line: number, lines: number, n: number])[];
      /** Of these lines, in their order. */
      readonly fingerprints: readonly number[];
    }
);

export interface KeysDump {
  /** Seconds since both generations began, and since when all keys are known. */
  readonly ages: { readonly young: number; readonly old: number; readonly known: number };
  readonly keys: Iterable<DumpedKey>;
}

/** Everything a hub needs to go on where another left off. The evictions are to be read first. */
export interface Dump {
  /** Epochs whose ids are accepted, oldest first; the last is the present one. */
  readonly epochs: readonly Epoch[];
  readonly head: number;
  /** On a channel that is not named anything may have been evicted through this number. */
  readonly evictedElsewhere: number;
  readonly evictions: Iterable<Eviction>;
  /** In the order of their numbers. */
  readonly entries: Iterable<DumpedEntry>;
}

/**
 * All entries of these channels, each once, in the order of their numbers. Their texts are made one at
 * a time: all at once they would take several times the memory of the logs.
 */
export function* dumpEntries(
  channels: Iterable<{ readonly name: string; readonly log: ChannelLog }>,
  now: number,
): Generator<DumpedEntry> {
  const byNumber = new Map<number, { entry: Entry; channels: string[] }>();
  for (const { name, log } of channels) {
    for (const entry of log.after(0)) {
      const present = byNumber.get(entry.n);
      if (present === undefined) byNumber.set(entry.n, { entry, channels: [name] });
      else present.channels.push(name);
    }
  }
  const inOrder = [...byNumber.values()].sort((a, b) => a.entry.n - b.entry.n);
  for (const { entry, channels } of inOrder) {
    const { n, to, bytes, time } = entry;
    yield { n, to: plain(to), channels, text: bytes.toString(), age: now - time };
  }
}

const plain = (to: Recipients): DumpedEntry['to'] =>
  typeof to === 'object' ? [...to] : (to ?? null);

/** As an entry has them. */
export const recipientsOf = (to: DumpedEntry['to']): Recipients =>
  typeof to === 'string' ? to : to === null ? undefined : new Set(to);
