/**
 * Which ids can be resumed from. Every start has an epoch of its own. One that takes over a snapshot
 * counts on, and accepts the ids of the epochs before it, but only up to the number that each had
 * reached when it was saved: what an epoch gave out after that is not in this history.
 */
import { formatEventId, parseEventId } from '../wire/event-id.ts';

/** Epochs remembered at most; ids of older ones count as those of a server that is gone. */
export const MAX_EPOCHS = 64;

export interface Epoch {
  readonly epoch: string;
  /** The newest number it has given out. */
  readonly head: number;
}

/** Why an id cannot be resumed from: its history is gone, or it was never given out. */
export type Refusal = 'epoch' | 'unknown';

export class Lineage {
  readonly #epoch: string;
  readonly #older: ReadonlyMap<string, number>;

  /** `older`: oldest first. */
  constructor(epoch: string, older: readonly Epoch[] = []) {
    this.#epoch = epoch;
    const kept = older.slice(-(MAX_EPOCHS - 1));
    this.#older = new Map(kept.map((one) => [one.epoch, one.head]));
  }

  idOf(n: number): string {
    return formatEventId(this.#epoch, n);
  }

  /** The number that an id stands for, in a history that has reached `head`. */
  read(id: string, head: number): number | Refusal {
    const parsed = parseEventId(id);
    if (parsed === undefined) return 'unknown';
    const { epoch, n } = parsed;
    if (epoch === this.#epoch) return n <= head ? n : 'unknown';
    return n <= (this.#older.get(epoch) ?? -1) ? n : 'epoch';
  }

  /** All epochs, the present one last. */
  epochs(head: number): Epoch[] {
    const older = [...this.#older].map(([epoch, reached]) => ({ epoch, head: reached }));
    return [...older, { epoch: this.#epoch, head }];
  }
}
