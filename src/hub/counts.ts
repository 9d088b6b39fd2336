/** How often each of a few things has happened. The names are a closed list: nobody's names, ever. */
export class Counts<Name extends string> {
  readonly #counts = new Map<Name, number>();

  /** These are told from the beginning, with 0: what has never happened is to be seen, too. */
  constructor(names: readonly Name[]) {
    for (const name of names) this.#counts.set(name, 0);
  }

  add(name: Name, count = 1): void {
    this.#counts.set(name, this.of(name) + count);
  }

  of(name: Name): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Of all names. */
  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  get record(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
