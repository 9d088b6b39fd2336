/** A body that comes in pieces, in one buffer that grows with it: pieces may be as small as a byte. */

const FIRST_BYTES = 4_096;

export class Body {
  readonly #maxBytes: number;
  #buffer = Buffer.alloc(0);
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Copies a piece behind the others; false, and nothing, when that would be more than `maxBytes`. */
  append(piece: Uint8Array): boolean {
    const size = this.#size + piece.byteLength;
    if (size > this.#maxBytes) return false;
    if (size > this.#buffer.length) this.#grow(size);
    this.#buffer.set(piece, this.#size);
    this.#size = size;
    return true;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes other pieces, into the same memory. */
  clear(): void {
    this.#size = 0;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  #grow(needed: number): void {
    const doubled = Math.min(this.#maxBytes, Math.max(FIRST_BYTES, 2 * this.#buffer.length));
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, doubled));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}
