/**
 * What lies between a reader's number and the newest entry, as bytes ready to write. Built once per
 * flush for all readers of the same channels at the same place; what is meant for everyone is
 * concatenated once however many read it.
 */
import type { ChannelLog, Entry } from './log.ts';

/**
 * Most bytes given to one write. The addon's cork buffer is 16,384 bytes and must hold the chunk's
 * framing (CRLF, four hex digits, CRLF) and the nudge behind it (CRLF, `2`, CRLF, `:` LF): past it
 * uWebSockets.js (core before v20.77) can lose bytes under backpressure.
 */
export const MAX_WRITE_BYTES = 16_384 - 8 - 7;

/** Bytes for one write. */
export interface Piece {
  readonly bytes: Buffer;
  /** A reader that has had this piece, and `rest`, has had everything through this number. */
  readonly through: number;
  /** What is missing of a frame too large for one write; undefined when the piece ends with a frame. */
  readonly rest: Buffer | undefined;
}

export class Range {
  /** The reader's number this range starts behind. */
  readonly after: number;
  /** Newest number at the time it was built. */
  readonly head: number;
  readonly #forEveryone: Entry[] = [];
  // Built in one pass, so that many users with an entry each do not each search all entries.
  readonly #forUser = new Map<string, Entry[]>();
  #shared: readonly Piece[] | undefined;
  #own: Map<string, readonly Piece[]> | undefined;

  constructor(logs: readonly ChannelLog[], after: number, head: number) {
    this.after = after;
    this.head = head;
    const entries = logs.length === 1 ? logs[0]!.after(after) : merge(logs, after);
    for (const entry of entries) this.#add(entry);
  }

  /** Hot path: once per stream per flush. Allocates on the first call only. */
  piecesFor(user: string): readonly Piece[] {
    if (this.#forUser.size > 0 && this.#forUser.has(user)) return this.#ownPieces(user);
    this.#shared ??= cut(this.#forEveryone);
    return this.#shared;
  }

  /** Number of the first entry that is meant for this user, `head` when there is none. */
  firstFor(user: string): number {
    const own = this.#forUser.get(user)?.[0]?.n ?? this.head;
    return Math.min(own, this.#forEveryone[0]?.n ?? this.head);
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
      const own = this.#forUser.get(user)!;
      const isAlone = this.#forEveryone.length === 0;
      pieces = cut(isAlone ? own : [...own, ...this.#forEveryone].sort(byNumber));
      this.#own.set(user, pieces);
    }
    return pieces;
  }
}

/** Cuts the tail of a frame into writes; used to go on inside a frame after backpressure. */
export function cutFrame(bytes: Buffer, through: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; at += MAX_WRITE_BYTES) {
    const end = at + MAX_WRITE_BYTES;
    const rest = end < bytes.length ? bytes.subarray(end) : undefined;
    pieces.push({ bytes: bytes.subarray(at, end), through, rest });
  }
  return pieces;
}

const byNumber = (a: Entry, b: Entry): number => a.n - b.n;

// An event sent to several channels has one number in each of their logs: it is kept once.
function merge(logs: readonly ChannelLog[], after: number): Entry[] {
  const entries = logs.flatMap((log) => log.after(after)).sort(byNumber);
  return entries.filter((entry, i) => i === 0 || entry.n !== entries[i - 1]!.n);
}

// Whole frames together up to the limit; a frame above it is cut by itself.
function cut(entries: readonly Entry[]): Piece[] {
  const pieces: Piece[] = [];
  let run: Buffer[] = [];
  let runBytes = 0;
  let through = 0;
  const closeRun = () => {
    if (run.length === 0) return;
    const bytes = run.length === 1 ? run[0]! : Buffer.concat(run, runBytes);
    pieces.push({ bytes, through, rest: undefined });
    run = [];
    runBytes = 0;
  };
  for (const { bytes, n } of entries) {
    if (runBytes + bytes.length > MAX_WRITE_BYTES) closeRun();
    if (bytes.length > MAX_WRITE_BYTES) {
      pieces.push(...cutFrame(bytes, n));
      continue;
    }
    run.push(bytes);
    runBytes += bytes.length;
    through = n;
  }
  closeRun();
  return pieces;
}
