/**
 * Lines of an upload whose events have no number yet, in pages: each line is here for a moment, and a Map that a million
 * keys go through makes its table anew again and again, in V8's space for old objects.
 */

/** Lines of a page. */
const PAGE_LINES = 1_024;

interface Page<T> {
  readonly lines: (T | undefined)[];
  /** Of them that are there. */
  count: number;
}

export class PendingLines<T> {
  /** By number of the page; an empty one is let go. */
  readonly #pages = new Map<number, Page<T>>();

  /** How many pages there are. */
  get pageCount(): number {
    return this.#pages.size;
  }

  get(line: number): T | undefined {
    return this.#pages.get(Math.floor(line / PAGE_LINES))?.lines[line % PAGE_LINES];
  }

  set(line: number, done: T): void {
    const page = this.#page(Math.floor(line / PAGE_LINES));
    if (page.lines[line % PAGE_LINES] === undefined) page.count += 1;
    page.lines[line % PAGE_LINES] = done;
  }

  delete(line: number): void {
    const at = Math.floor(line / PAGE_LINES);
    const page = this.#pages.get(at);
    if (page?.lines[line % PAGE_LINES] === undefined) return;
    page.lines[line % PAGE_LINES] = undefined;
    page.count -= 1;
    if (page.count === 0) this.#pages.delete(at);
  }

  #page(at: number): Page<T> {
    const present = this.#pages.get(at);
    if (present !== undefined) return present;
    const page = { lines: new Array<T | undefined>(PAGE_LINES).fill(undefined), count: 0 };
    this.#pages.set(at, page);
    return page;
  }
}
