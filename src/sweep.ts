/**
 * Visits every member of a collection once per period, evenly spread over it, so that work which
 * is due for everybody never comes due for everybody at once.
 */

/** Time between two steps, in milliseconds. */
export const SWEEP_STEP_MS = 50;

export class Sweep<T> {
  readonly #members: { readonly size: number; values(): IterableIterator<T> };
  readonly #periodMs: number;
  readonly #visit: (member: T) => void;
  #pass: IterableIterator<T> | undefined;
  // Pace of a pass. It never falls below what the pass began with: were it to follow a shrinking
  // collection down, the last member would wait longer than a period.
  #paceSize = 0;
  // Visits that are due but not done yet; a fraction carries over to the next step.
  #due = 0;

  constructor(
    members: { readonly size: number; values(): IterableIterator<T> },
    periodMs: number,
    visit: (member: T) => void,
  ) {
    this.#members = members;
    this.#periodMs = periodMs;
    this.#visit = visit;
  }

  /** Does what has come due in `elapsedMs`; at most one visit per member, however long that was. */
  step(elapsedMs: number): void {
    const size = this.#members.size;
    this.#paceSize = Math.max(this.#paceSize, size);
    this.#due = Math.min(this.#due + (this.#paceSize * elapsedMs) / this.#periodMs, this.#paceSize);
    for (; this.#due >= 1; this.#due -= 1) this.#visitNext();
  }

  #visitNext(): void {
    const step = this.#pass?.next() ?? this.#newPass().next();
    if (step.done !== true) return this.#visit(step.value);
    const first = this.#newPass().next();
    if (first.done !== true) this.#visit(first.value);
  }

  #newPass(): IterableIterator<T> {
    this.#paceSize = this.#members.size;
    this.#pass = this.#members.values();
    return this.#pass;
  }
}
