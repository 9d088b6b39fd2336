/**
 * An answer in as many messages as it takes, since NATS has a limit on one. Each begins with who sends
 * it, which it is, and of how many:
 *
 *   b4k2x90a 0 2\n{"streams":[{"id":…      b4k2x90a 1 2\n…}]}
 */
import { Misshapen } from './shape.ts';

/** Bytes of an answer in one message, well below the `max_payload` of 1 MB. */
export const PART_BYTES = 262_144;

/** Parts of one answer at most: 16 MB. */
export const MAX_PARTS = 64;

/** What stands before the first line end, at most, in bytes. */
const HEAD_BYTES = 64;

export interface Part {
  readonly node: string;
  readonly place: number;
  readonly count: number;
  readonly bytes: Buffer;
}

/** Undefined when it is too much to be sent. */
export function inParts(node: string, answer: string): Buffer[] | undefined {
  const bytes = Buffer.from(answer);
  const count = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  if (count > MAX_PARTS) return undefined;
  return Array.from({ length: count }, (_, place) => {
    const part = bytes.subarray(place * PART_BYTES, (place + 1) * PART_BYTES);
    return Buffer.concat([Buffer.from(`${node} ${place} ${count}\n`), part]);
  });
}

/** @throws Misshapen */
export function readPart(data: Uint8Array): Part {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const end = bytes.subarray(0, HEAD_BYTES).indexOf('\n');
  const head = /^(\S{1,16}) (\d{1,2}) (\d{1,2})$/.exec(
    bytes.toString('latin1', 0, Math.max(0, end)),
  );
  const [place, count] = [Number(head?.[2]), Number(head?.[3])];
  if (head === null || !(place < count && count <= MAX_PARTS))
    throw new Misshapen('no part of an answer');
  return { node: head[1]!, place, count, bytes: bytes.subarray(end + 1) };
}

/** Puts the parts of one answer together, whichever comes first. */
export class Assembly {
  readonly #parts: (Buffer | undefined)[];
  #missing: number;

  constructor(count: number) {
    this.#parts = Array.from({ length: count }, () => undefined);
    this.#missing = count;
  }

  /** The whole answer, once it is. */
  add({ place, count, bytes }: Part): string | undefined {
    if (count !== this.#parts.length || this.#parts[place] !== undefined) return undefined;
    // A message's memory is a part of a larger one, which it would keep.
    this.#parts[place] = Buffer.from(bytes);
    this.#missing -= 1;
    return this.#missing > 0 ? undefined : Buffer.concat(this.#parts as Buffer[]).toString();
  }
}
