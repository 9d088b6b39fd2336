/** The order of all ids, over epochs too. */
import { epochOf } from './ledger.ts';

/** Numbers are below this. */
const EPOCH_SIZE = 2 ** 40;

interface Epoch {
  readonly name: string;
  rank: number;
  /** The lowest and the highest number of an event. */
  first: number;
  last: number;
  /** The epoch whose numbers this one goes on from, after a start from a snapshot. */
  before: Epoch | undefined;
}

const numberIn = (id: string): number => Number(id.slice(id.lastIndexOf('-') + 1));

export class Order {
  readonly #epochs = new Map<string, Epoch>();

  /** `positions`: ids that no event need have. */
  constructor(events: Iterable<string>, positions: Iterable<string>) {
    for (const id of positions) this.#epoch(epochOf(id));
    for (const id of events) {
      const epoch = this.#epoch(epochOf(id));
      epoch.first = Math.min(epoch.first, numberIn(id));
      epoch.last = Math.max(epoch.last, numberIn(id));
    }
    this.#rank();
  }

  /** A number that is greater for what comes later; of two names of one position it is the same. */
  of(id: string): number {
    const n = numberIn(id);
    let epoch = this.#epochs.get(epochOf(id));
    if (epoch === undefined) return Number.NaN;
    while (epoch.before !== undefined && n < epoch.first) epoch = epoch.before;
    return epoch.rank * EPOCH_SIZE + n;
  }

  #epoch(name: string): Epoch {
    const present = this.#epochs.get(name);
    if (present !== undefined) return present;
    const epoch = { name, rank: 0, first: EPOCH_SIZE, last: -1, before: undefined };
    this.#epochs.set(name, epoch);
    return epoch;
  }

  // An epoch is the time of its beginning, of one length and followed by noise. One that begins anew
  // begins at 1: one whose first event has more counts on from the newest that had not come so far.
  #rank(): void {
    const sorted = [...this.#epochs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const [i, epoch] of sorted.entries()) {
      epoch.rank = i;
      if (epoch.last < 1) continue;
      epoch.before = sorted.slice(0, i).findLast(({ last }) => last >= 1 && last < epoch.first);
    }
  }
}
