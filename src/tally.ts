/** A number that several threads may change at once. */
export class Tally {
  /** Its bytes, for other threads. */
  readonly buffer: SharedArrayBuffer;
  readonly #cell: Int32Array;

  /** Of four bytes; every thread makes its own `Tally` over the same ones. */
  constructor(buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#cell = new Int32Array(buffer);
  }

  get value(): number {
    return Atomics.load(this.#cell, 0);
  }

  add(change: number): void {
    Atomics.add(this.#cell, 0, change);
  }

  /** Adds one, unless there are as many as that already. */
  take(limit: number): boolean {
    if (Atomics.add(this.#cell, 0, 1) < limit) return true;
    this.add(-1);
    return false;
  }
}
