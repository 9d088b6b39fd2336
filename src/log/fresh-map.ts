/**
 * Numbers by two names, in the order in which they were last set, oldest first. A Map that deletes a key to set it
 * at its end makes its table anew again and again; and of two names put together each time a text would be
 * made, and looked through, for every question.
 */

/** What a place takes besides its names: the object, a slot of a map, the head of a name, in bytes. */
export const NAME_OVERHEAD_BYTES = 136;

/** What a first name with several second ones takes besides: a map of its own, in bytes. */
export const GROUP_OVERHEAD_BYTES = 200;

export interface Place {
  readonly first: string;
  readonly second: string | null;
  readonly n: number;
}

interface Linked extends Place {
  n: number;
  older: Linked | undefined;
  newer: Linked | undefined;
}

export class FreshMap {
  // One needs no map: most first names that there are many of have one second name.
  readonly #places = new Map<string, Linked | Map<string | null, Linked>>();
  #groupCount = 0;
  #size = 0;
  #oldest: Linked | undefined;
  #newest: Linked | undefined;

  get size(): number {
    return this.#size;
  }

  /** First names that have, or had, several second ones. */
  get groupCount(): number {
    return this.#groupCount;
  }

  get(first: string, second: string | null): Place | undefined {
    return this.#find(first, second);
  }

  /** Hot path: the place goes to the end. Returns it when it was not there. */
  set(first: string, second: string | null, n: number): Place | undefined {
    const known = this.#find(first, second);
    if (known === undefined) {
      const place = { first, second, n, older: undefined, newer: undefined };
      this.#add(place);
      this.#append(place);
      return place;
    }
    known.n = n;
    if (known === this.#newest) return undefined;
    this.#unlink(known);
    this.#append(known);
    return undefined;
  }

  /** Returns the place that was there. */
  delete(first: string, second: string | null): Place | undefined {
    const place = this.#find(first, second);
    if (place === undefined) return undefined;
    this.#remove(place);
    this.#unlink(place);
    return place;
  }

  /** From the oldest on; the one that was given last may be deleted meanwhile. */
  *[Symbol.iterator](): IterableIterator<Place> {
    for (let place = this.#oldest; place !== undefined; ) {
      const { newer }: Linked = place;
      yield place;
      place = newer;
    }
  }

  /** In any order. Places may come and go meanwhile: those that come are passed by or not. */
  *inAnyOrder(): Generator<Place> {
    for (const found of this.#places.values())
      if (found instanceof Map) yield* found.values();
      else yield found;
  }

  #find(first: string, second: string | null): Linked | undefined {
    const found = this.#places.get(first);
    if (found instanceof Map) return found.get(second);
    return found?.second === second ? found : undefined;
  }

  #add(place: Linked): void {
    this.#size += 1;
    const found = this.#places.get(place.first);
    if (found instanceof Map) found.set(place.second, place);
    else if (found === undefined) this.#places.set(place.first, place);
    else {
      this.#groupCount += 1;
      const group = new Map([found, place].map((each) => [each.second, each]));
      this.#places.set(place.first, group);
    }
  }

  #remove({ first, second }: Linked): void {
    this.#size -= 1;
    const found = this.#places.get(first);
    if (found instanceof Map) {
      found.delete(second);
      if (found.size > 0) return;
      this.#groupCount -= 1;
    }
    this.#places.delete(first);
  }

  #append(place: Linked): void {
    place.older = this.#newest;
    place.newer = undefined;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
  }

  #unlink({ older, newer }: Linked): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
