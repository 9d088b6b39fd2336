/** What lies below each prefix, by its stem: found without a look at all there is. */
import { stemsOf } from './prefix.ts';

/** What an item costs here for each prefix above it: a slot of a map or a set and the stem, in bytes. */
export const BELOW_OVERHEAD_BYTES = 120;

export class Below<T extends string | object> {
  // One item needs no set: most stems are those of one user or one thing.
  readonly #items = new Map<string, T | Set<T>>();

  /** `channel` is the name that the item goes by. */
  add(channel: string, item: T): void {
    for (const stem of stemsOf(channel)) {
      const present = this.#items.get(stem);
      if (present instanceof Set) present.add(item);
      else this.#items.set(stem, present === undefined ? item : new Set([present, item]));
    }
  }

  remove(channel: string, item: T): void {
    for (const stem of stemsOf(channel)) {
      const present = this.#items.get(stem);
      if (present instanceof Set) present.delete(item);
      if (present === item || (present instanceof Set && present.size === 0))
        this.#items.delete(stem);
    }
  }

  /** As it is now: a copy. */
  of(stem: string): T[] {
    const present = this.#items.get(stem);
    if (present === undefined) return [];
    return present instanceof Set ? [...present] : [present];
  }
}
