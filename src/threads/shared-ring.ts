/**
 * Memory that all threads see, for batches on their way to them. It is made once and used again and again: memory
 * made for each batch would lie there until the collector of every thread has come by.
 *
 *        oldest          newest
 *   ┌─────┬───────┬───┬─────┬──────────┐
 *   │     │   1   │ 2 │  3  │  next ▶  │     batches are over in the order in which they were sent
 *   └─────┴───────┴───┴─────┴──────────┘
 *
 * While nothing is on its way the next one begins at the front: a quiet server touches a page or two of it.
 */

/** In bytes. What finds no place in it has memory of its own, up to what `dispatch` lets be on its way. */
export const RING_BYTES = 2_097_152;

/** Of where a batch begins: numbers in it can be read where they stand. */
const ALIGNMENT = 8;

/** Shared memory, as bytes and as numbers. */
export class SharedMemory {
  readonly shared: SharedArrayBuffer;
  readonly bytes: Buffer;
  readonly ints: Int32Array;
  readonly floats: Float64Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.bytes = Buffer.from(shared);
    this.ints = new Int32Array(shared);
    this.floats = new Float64Array(shared);
  }
}

/** Where a batch begins. */
export interface Place {
  readonly memory: SharedMemory;
  /** In bytes. */
  readonly at: number;
}

export interface Space extends Place {
  readonly byteLength: number;
}

export class SharedRing {
  readonly #memory: SharedMemory;
  /** Oldest first. */
  readonly #taken: Space[] = [];
  /** Behind the newest. */
  #end = 0;

  /** `shared`: so many bytes that they are a multiple of eight. */
  constructor(shared: SharedArrayBuffer) {
    this.#memory = new SharedMemory(shared);
  }

  /** Room for so many bytes, whatever was in it: in the ring, or by itself where the ring has none. */
  take(bytes: number): Space {
    const byteLength = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const at = this.#place(byteLength);
    if (at === undefined)
      return { memory: new SharedMemory(new SharedArrayBuffer(byteLength)), at: 0, byteLength };
    const space = { memory: this.#memory, at, byteLength };
    this.#taken.push(space);
    this.#end = at + byteLength;
    return space;
  }

  /** Nobody reads there any more. The oldest first; memory of its own is let go. */
  give(space: Space): void {
    if (this.isPart(space)) this.#taken.shift();
  }

  /** Whether it lies in the ring. */
  isPart({ memory }: Space): boolean {
    return memory === this.#memory;
  }

  #place(byteLength: number): number | undefined {
    const oldest = this.#taken[0];
    const { byteLength: whole } = this.#memory.shared;
    if (oldest === undefined) return byteLength <= whole ? 0 : undefined;
    if (this.#end <= oldest.at) return byteLength <= oldest.at - this.#end ? this.#end : undefined;
    if (byteLength <= whole - this.#end) return this.#end;
    return byteLength <= oldest.at ? 0 : undefined;
  }
}
