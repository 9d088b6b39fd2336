/**
 * A range on its way to another thread: its frames in one piece of memory, which is handed over. Each frame by itself
 * would be memory of its own in both threads, and work for the collectors of both.
 */
import type { DeeperRange } from '../hub/deeper-log.ts';
import { MAX_WRITE_BYTES } from '../log/range.ts';

export interface PackedRange extends Omit<DeeperRange, 'frames'> {
  /** Of each frame, and where it ends in `bytes`. */
  readonly numbers: readonly number[];
  readonly ends: readonly number[];
  /** Nobody else's memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export function pack({ missedThrough, frames, through }: DeeperRange): PackedRange {
  const size = frames.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const bytes = new Uint8Array(size);
  const ends: number[] = [];
  let end = 0;
  for (const frame of frames) {
    bytes.set(frame.bytes, end);
    end += frame.bytes.length;
    ends.push(end);
  }
  return { missedThrough, through, numbers: frames.map(({ n }) => n), ends, bytes };
}

export function unpack({ missedThrough, through, numbers, ends, bytes }: PackedRange): DeeperRange {
  const frames = numbers.map((n, i) => ({ n, bytes: frameOf(bytes, ends[i - 1] ?? 0, ends[i]!) }));
  return { missedThrough, frames, through };
}

// A stream can be stuck inside one that needs several writes: it is not to keep the others with it.
function frameOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return to - from > MAX_WRITE_BYTES ? bytes.slice(from, to) : bytes.subarray(from, to);
}
