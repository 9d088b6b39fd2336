/** What lies below each prefix, by its stem: found without a look at all there is. */
import { stemsOf } from './prefix.ts';

/** What an item costs here for each prefix above it: a slot of a map or a set and the stem, in bytes. */
export const BELOW_OVERHEAD_BYTES = 120;

export class Below<T extends string | object> {
  // One item needs no set: most stems are those of one user or one thing.
  readonly #items = new Map<string, T | Set<T>>();

  /** `channel` is the name that the item goes by. False when it is here, or below no prefix. */
  add(channel: string, item: T): boolean {
    let isNew = false;
    for (const stem of stemsOf(channel)) isNew = this.#addTo(stem, item) || isNew;
    return isNew;
  }

  #addTo(stem: string, item: T): boolean {
    const present = this.#items.get(stem);
    if (present === item || (present instanceof Set && present.has(item))) return false;
    if (present instanceof Set) present.add(item);
    else this.#items.set(stem, present === undefined ? item : new Set([present, item]));
    return true;
  }

  /** False when it is not here. */
  remove(channel: string, item: T): boolean {
    let wasHere = false;
    for (const stem of stemsOf(channel)) wasHere = this.#removeFrom(stem, item) || wasHere;
    return wasHere;
  }

  #removeFrom(stem: string, item: T): boolean {
    const present = this.#items.get(stem);
    const wasHere = present instanceof Set ? present.delete(item) : present === item;
    if (present === item || (present instanceof Set && present.size === 0))
      this.#items.delete(stem);
    return wasHere;
  }

  /** Items may come and go meanwhile: those that come are passed by or not, those that go are not given any more. */
  *of(stem: string): Generator<T> {
    const present = this.#items.get(stem);
    if (present instanceof Set) yield* present;
    else if (present !== undefined) yield present;
  }
}
