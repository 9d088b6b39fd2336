/** How events get their numbers in this process, and each under its key only one. */
import { BYTES_PER_MEGABYTE, type Config } from '../config/config.ts';
import type { Epoch } from '../log/lineage.ts';
import { KeyMemory } from '../publish/key-memory.ts';
import { OncePublisher } from '../publish/once.ts';
import { type EntryStore, type Publisher, Sequencer } from '../publish/publisher.ts';

/** Keys of emits have this share of `-memory` at most. */
const KEYS_SHARE = 1 / 8;

export const keyMemory = ({ dedupe, memory }: Config): KeyMemory =>
  new KeyMemory({ seconds: dedupe, budgetBytes: memory * BYTES_PER_MEGABYTE * KEYS_SHARE });

export interface PublisherParts {
  readonly epoch: string;
  /** Those before, each up to its head, oldest first. */
  readonly olderEpochs: readonly Epoch[];
  readonly store: EntryStore;
  readonly keys: KeyMemory;
}

export function publisherOf({ epoch, olderEpochs, store, keys }: PublisherParts): Publisher {
  const present = { epoch, head: Number.POSITIVE_INFINITY };
  return new OncePublisher(new Sequencer(epoch, store), keys, [...olderEpochs, present]);
}
