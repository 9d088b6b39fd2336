/**
 * Entries on their way to all threads: encoded once, into memory that all of them read. Each thread
 * writes beside each entry how many of its streams it is for.
 *
 *   [ length of the list ][ counts: threads × entries ][ list, as JSON ][ frames ]
 */
import type { NewEntry, Recipients } from '../log/entry.ts';
import { LateBytes } from '../wire/frame.ts';

const INT = Int32Array.BYTES_PER_ELEMENT;

/** n, channels, recipients (null: everyone), bytes of the frame, and the trace where there is one. */
type Listed = readonly [
  number,
  readonly string[],
  readonly string[] | string | null,
  number,
  string?,
];

interface List {
  /** When the first of them came, in milliseconds of the clock that all threads have. */
  readonly since: number;
  readonly lost?: number | undefined;
  readonly entries: readonly Listed[];
}

export interface Batch {
  readonly since: number;
  /** Before the entries: what had not come through this number is gone; undefined: nothing is. */
  readonly lost?: number | undefined;
  /** One without a number (0) is only to be counted. */
  readonly entries: NewEntry[];
}

/** Milliseconds since the epoch, never set back: the same in all threads. */
export const commonNow = (): number => performance.timeOrigin + performance.now();

const plain = (to: Recipients): Listed[2] => (typeof to === 'object' ? [...to] : (to ?? null));

const recipients = (to: Listed[2]): Recipients =>
  typeof to === 'string' ? to : to === null ? undefined : new Set(to);

export function encodeBatch({ since, lost, entries }: Batch, threads: number): SharedArrayBuffer {
  const listed = entries.map(({ n, channels, to, bytes, trace }): Listed => {
    const entry = [n, channels, plain(to), bytes.length] as const;
    return trace === undefined ? entry : [...entry, trace];
  });
  const list = JSON.stringify({ since, lost, entries: listed } satisfies List);
  const listBytes = Buffer.byteLength(list);
  let at = INT * (2 + threads * entries.length);
  const frameBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const memory = new SharedArrayBuffer(at + listBytes + frameBytes);
  new Int32Array(memory, 0, 2).set([listBytes, entries.length]);
  const whole = Buffer.from(memory);
  at += whole.write(list, at);
  for (const { bytes } of entries) {
    if (bytes instanceof LateBytes) bytes.write(whole, at);
    else bytes.copy(whole, at);
    at += bytes.length;
  }
  return memory;
}

/** The entries, whose bytes stay where they are. */
export function decodeBatch(memory: SharedArrayBuffer, threads: number): Batch {
  const [listBytes, count] = new Int32Array(memory, 0, 2) as unknown as [number, number];
  const listAt = INT * (2 + threads * count);
  let at = listAt + listBytes;
  const list = JSON.parse(Buffer.from(memory, listAt, listBytes).toString()) as List;
  const entries = list.entries.map(([n, channels, to, length, trace]) => {
    const bytes = Buffer.from(memory, at, length);
    at += length;
    return { n, channels, to: recipients(to), bytes, trace };
  });
  const { since, lost } = list;
  return lost === undefined ? { since, entries } : { since, lost, entries };
}

/** Where one thread tells of each entry how many of its streams it is for. */
export function countsOf(memory: SharedArrayBuffer, thread: number): Int32Array {
  const count = new Int32Array(memory, INT, 1)[0]!;
  return new Int32Array(memory, INT * (2 + thread * count), count);
}
