/**
 * Numbers by name, in the order in which they were last set, oldest first. A Map that deletes a key to set it
 * at its end makes its table anew again and again, and keeps a new copy of the name each time.
 */

/** What a place takes besides its name: the object, a slot of the map, the head of the name, in bytes. */
export const NAME_OVERHEAD_BYTES = 136;

interface Place {
  readonly name: string;
  n: number;
  older: Place | undefined;
  newer: Place | undefined;
}

export class FreshMap {
  readonly #places = new Map<string, Place>();
  #oldest: Place | undefined;
  #newest: Place | undefined;

  get size(): number {
    return this.#places.size;
  }

  get(name: string): number | undefined {
    return this.#places.get(name)?.n;
  }

  /** Hot path: the name goes to the end. True when it was not there. */
  set(name: string, n: number): boolean {
    const known = this.#places.get(name);
    if (known === undefined) {
      const place = { name, n, older: undefined, newer: undefined };
      this.#places.set(name, place);
      this.#append(place);
      return true;
    }
    known.n = n;
    if (known === this.#newest) return false;
    this.#unlink(known);
    this.#append(known);
    return false;
  }

  delete(name: string): boolean {
    const place = this.#places.get(name);
    if (place === undefined) return false;
    this.#places.delete(name);
    this.#unlink(place);
    return true;
  }

  keys(): IterableIterator<string> {
    return this.#places.keys();
  }

  /** From the oldest on; the one that was given last may be deleted meanwhile. */
  *[Symbol.iterator](): IterableIterator<readonly [name: string, n: number]> {
    for (let place = this.#oldest; place !== undefined; ) {
      const { name, n, newer }: Place = place;
      yield [name, n];
      place = newer;
    }
  }

  #append(place: Place): void {
    place.older = this.#newest;
    place.newer = undefined;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
  }

  #unlink({ older, newer }: Place): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
