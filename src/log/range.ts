/**
 * What lies between a reader's number and the newest entry, as bytes ready to write. Built once per
 * flush for all readers of the same channels at the same place; what is meant for everyone is
 * concatenated once however many read it.
 */

import type { ChannelLog } from './channel-log.ts';
import type { Entry } from './entry.ts';

/**
 * Most bytes given to one write. The addon's cork buffer is 16,384 bytes and must hold the chunk's
 * framing (CRLF, four hex digits, CRLF) and the nudge behind it (CRLF, `2`, CRLF, `:` LF): past it
 * uWebSockets.js (core before v20.77) can lose bytes under backpressure.
 */
export const MAX_WRITE_BYTES = 16_384 - 8 - 7;

/**
 * About how many bytes of entries one range holds. A reader that is further behind gets its next
 * range at its next turn, so that a long replay neither fills memory nor keeps others waiting.
 */
export const MAX_RANGE_BYTES = 262_144;

/** What is missing of a frame that began to go out. */
export interface Rest {
  readonly bytes: Buffer;
  /** Whose frame it is. */
  readonly entry: Entry;
}

/** Bytes for one write. */
export interface Piece {
  readonly bytes: Buffer;
  /** A reader that has had this piece, and `rest`, has had everything through this number. */
  readonly through: number;
  /** Frames that end in it. */
  readonly events: number;
  /** Of a frame too large for one write; undefined when the piece ends with a frame. */
  readonly rest: Rest | undefined;
}

export class Range {
  /** The reader's number this range starts behind. */
  readonly after: number;
  /** Newest number at the time it was built. */
  readonly head: number;
  /** The range reaches through this number: `head`, unless that would have been too much. */
  readonly end: number;
  readonly #forEveryone: Entry[] = [];
  // Built in one pass, so that many users with an entry each do not each search all entries.
  readonly #forUser = new Map<string, Entry[]>();
  #shared: readonly Piece[] | undefined;
  #own: Map<string, readonly Piece[]> | undefined;

  constructor(logs: readonly ChannelLog[], after: number, head: number) {
    this.after = after;
    this.head = head;
    const parts = logs.map((log) => log.after(after, MAX_RANGE_BYTES));
    this.end = endOf(logs, parts, head);
    for (const entry of parts.length === 1 ? parts[0]! : merge(parts)) {
      if (entry.n <= this.end) this.#add(entry);
    }
  }

  /** Hot path: once per stream per flush. Allocates on the first call only. */
  piecesFor(user: string): readonly Piece[] {
    if (this.#forUser.size > 0 && this.#forUser.has(user)) return this.#ownPieces(user);
    this.#shared ??= cut(this.#forEveryone);
    return this.#shared;
  }

  /** Its entries for one user, in the order of their numbers. */
  entriesFor(user: string): readonly Entry[] {
    const own = this.#forUser.get(user);
    if (own === undefined) return this.#forEveryone;
    const isAlone = this.#forEveryone.length === 0;
    return isAlone ? own : [...own, ...this.#forEveryone].sort(byNumber);
  }

  #add(entry: Entry): void {
    const { to } = entry;
    if (to === undefined) this.#forEveryone.push(entry);
    else if (typeof to === 'string') this.#addFor(to, entry);
    else for (const user of to) this.#addFor(user, entry);
  }

  #addFor(user: string, entry: Entry): void {
    const entries = this.#forUser.get(user);
    if (entries === undefined) this.#forUser.set(user, [entry]);
    else entries.push(entry);
  }

  #ownPieces(user: string): readonly Piece[] {
    this.#own ??= new Map();
    let pieces = this.#own.get(user);
    if (pieces === undefined) {
      pieces = cut(this.entriesFor(user));
      this.#own.set(user, pieces);
    }
    return pieces;
  }
}

/** Cuts the tail of a frame into writes; used to go on inside a frame after backpressure. */
export function cutFrame({ bytes, entry }: Rest, through: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; at += MAX_WRITE_BYTES) {
    const end = at + MAX_WRITE_BYTES;
    const rest = end < bytes.length ? { bytes: bytes.subarray(end), entry } : undefined;
    const events = rest === undefined ? 1 : 0;
    pieces.push({ bytes: bytes.subarray(at, end), through, events, rest });
  }
  return pieces;
}

/** A reader that was at `position` and has had the pieces before this one has had whole frames through this number. */
export function throughBefore(pieces: readonly Piece[], index: number, position: number): number {
  for (let i = index - 1; i >= 0; i -= 1)
    if (pieces[i]!.rest === undefined) return pieces[i]!.through;
  return position;
}

const byNumber = (a: Entry, b: Entry): number => a.n - b.n;

// Where one part stops early, nothing behind that may be given out of another.
function endOf(
  logs: readonly ChannelLog[],
  parts: readonly (readonly Entry[])[],
  head: number,
): number {
  let end = head;
  for (const [i, part] of parts.entries()) {
    const last = part.at(-1);
    if (last !== undefined && last !== logs[i]!.newest) end = Math.min(end, last.n);
  }
  return end;
}

// An event sent to several channels has one number in each of their logs: it is kept once.
function merge(parts: readonly (readonly Entry[])[]): Entry[] {
  const entries = parts.flat().sort(byNumber);
  return entries.filter((entry, i) => i === 0 || entry.n !== entries[i - 1]!.n);
}

/** Whole frames together up to the limit of a write; a frame above it is cut by itself. */
export function cut(entries: readonly Entry[]): Piece[] {
  const pieces: Piece[] = [];
  let run: Buffer[] = [];
  let runBytes = 0;
  let through = 0;
  const closeRun = () => {
    if (run.length === 0) return;
    const bytes = run.length === 1 ? run[0]! : Buffer.concat(run, runBytes);
    pieces.push({ bytes, through, events: run.length, rest: undefined });
    run = [];
    runBytes = 0;
  };
  for (const entry of entries) {
    const { bytes, n } = entry;
    if (runBytes + bytes.length > MAX_WRITE_BYTES) closeRun();
    if (bytes.length > MAX_WRITE_BYTES) {
      pieces.push(...cutFrame({ bytes, entry }, n));
      continue;
    }
    run.push(bytes);
    runBytes += bytes.length;
    through = n;
  }
  closeRun();
  return pieces;
}
