/**
 * Writes what has been appended, once per turn of the event loop, and never inside a request handler:
 * there the addon ignores `cork` on other sockets and one delivery becomes four `send` calls.
 *
 *   append n=7 for all of A ──▶ queue: [A, behind 6] [Ann, behind 7] [B, behind 8] ──▶ setImmediate: flush
 *
 * An emit to one user queues that user's streams; a broadcast queues its channel, whose streams are
 * not touched until their turn. Whatever arrives before that turn only lengthens the range they read.
 */
import type { Piece } from '../log/range.ts';
import type { Channel, RangeMemo } from './channel.ts';
import type { Instruments } from './instruments.ts';
import type { Walk } from './members.ts';
import { type Stream, StreamState } from './stream.ts';

/**
 * How long a flush may hold the event loop before accepts and emits get their turn, in milliseconds.
 * Measured at 15,000 streams: with 5 the p99 of answers during broadcasts was 3.5 times that of an
 * idle server, with 1 it is 1.3 times; the cost of a delivery is the same within its spread.
 */
export const SLICE_MS = 1;

// The clock is read once per so many streams.
const STREAMS_PER_CLOCK_CHECK = 16;

// Turns already taken are dropped from the front of the queue in lots of this size.
const COMPACT_AT = 1_024;

/** What the flusher leaves to its owner. */
export interface FlusherOwner {
  readonly instruments: Instruments;
  /** Entries after `position` that may have been meant for this stream are gone. */
  missed(stream: Stream, position: number): void;
  /** Asks a deeper log for them instead, if there is one; none behind `upto` is gone from here. */
  asksDeeper(stream: Stream, position: number, upto: number): boolean;
  /** Entries wait for the next turn of the event loop: a flush gives way to them before its slice is over. */
  isPressed(): boolean;
  /** Everything due has been written. */
  idle(): void;
}

interface Due {
  readonly target: Channel<Stream> | Stream;
  /** The target's streams have had everything through this number, and perhaps more. */
  readonly behind: number;
  /** Bytes of all entries through that number. */
  readonly bytesBefore: number;
}

export class Flusher {
  /** Number of the newest entry appended. */
  head = 0;
  readonly #now: () => number;
  readonly #owner: FlusherOwner;
  #queue: Due[] = [];
  #at = 0;
  #behind: Stream[] = [];
  #appendedBytes = 0;
  #bytesBefore = 0;
  /** Of the newest entry. */
  #trace: string | undefined;
  /** Through the streams of the target whose turn it is. */
  #walk: Walk<Stream> | undefined;
  #isScheduled = false;
  /** Those that keep a range until the end of the slice. */
  #memos: RangeMemo[] = [];

  constructor(owner: FlusherOwner, now: () => number = () => performance.now()) {
    this.#owner = owner;
    this.#now = now;
  }

  /** All Live streams have had everything meant for them through this number. */
  get flushedThrough(): number {
    return this.#queue[this.#at]?.behind ?? this.head;
  }

  /** Bytes of entries that streams may still be waiting for: those after `flushedThrough`. */
  get pendingBytes(): number {
    const due = this.#queue[this.#at];
    return due === undefined ? 0 : this.#appendedBytes - due.bytesBefore;
  }

  /** Entry `n` goes into the logs, where it counts so much. To be told before it is marked. */
  advance(n: number, bytes: number, trace?: string): void {
    this.head = n;
    this.#trace = trace;
    this.#bytesBefore = this.#appendedBytes;
    this.#appendedBytes += bytes;
  }

  /** Something waits for its turn. */
  get isDue(): boolean {
    return this.#isScheduled;
  }

  /** Entry `n` is in the log; the target's streams are to get it. */
  mark(target: Channel<Stream> | Stream, n: number): void {
    this.#owner.instruments.lots.marked(n, this.#trace);
    if (target.isQueued) return;
    target.isQueued = true;
    this.#queue.push({ target, behind: n - 1, bytesBefore: this.#bytesBefore });
    this.#schedule();
  }

  /** A stream has an older position than the others: it is brought closer, a range a turn. */
  markBehind(stream: Stream): void {
    stream.state = StreamState.Behind;
    this.#behind.push(stream);
    this.#schedule();
  }

  /** Writes to a Live stream what lies behind `position`; it is Behind afterwards if that was much. */
  flushFrom(stream: Stream, position: number): void {
    if (position > this.head) return; // had elsewhere what is not here yet
    const { channels, user } = stream;
    const from = channels.missedThrough(user, position);
    if (from > position) {
      if (this.#owner.asksDeeper(stream, position, from)) return;
      stream.position = from;
      this.#owner.missed(stream, position);
      if (stream.state !== StreamState.Live) return;
    }
    const memo = channels.rangesAfter(from);
    if (memo.isEmpty) this.#memos.push(memo);
    const range = memo.range(from, this.head);
    this.write(stream, range.piecesFor(user), range.end);
    if (range.end < this.head && stream.state === StreamState.Live) this.markBehind(stream);
    if (!this.#isScheduled) this.#forgetRanges();
  }

  /** Writes these; a Live stream has had everything through number `end` then. */
  write(stream: Stream, pieces: readonly Piece[], end: number): void {
    stream.flush(pieces, end);
    this.#owner.instruments.wrote(pieces, stream.position);
  }

  /** Brings a stream closer that takes bytes again. */
  resume(stream: Stream): void {
    this.flushFrom(stream, stream.position);
    if (stream.state === StreamState.Live) this.#owner.instruments.catchUps.done(stream);
  }

  /** Writes to a stream all that it has not had, ahead of its turn, unless it blocks. */
  catchUp(stream: Stream): void {
    if (stream.state === StreamState.Live)
      this.flushFrom(stream, Math.max(stream.position, this.flushedThrough));
    while (stream.state === StreamState.Behind) this.#flushBehind(stream);
  }

  #flushBehind(stream: Stream): void {
    stream.state = StreamState.Live;
    this.resume(stream);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  // Live streams first, then those that are behind; but of these at least one, so that they are
  // not forgotten under steady load.
  readonly #run = (): void => {
    const start = this.#now();
    const end = start + SLICE_MS;
    const isDone = this.#runLive(end);
    const isCaughtUp = this.#runBehind(end);
    this.#forgetRanges();
    this.#owner.instruments.turned(start, this.#now(), this.flushedThrough);
    if (isDone && isCaughtUp) this.#idle();
    else setImmediate(this.#run);
  };

  #runLive(end: number): boolean {
    // Held fast for the slice: a mark that moved with every target would give each its own range.
    const flushedThrough = this.flushedThrough;
    for (let visited = 1; ; visited += 1) {
      const stream = this.#next();
      if (stream === undefined) return true;
      if (stream.state === StreamState.Live)
        this.flushFrom(stream, Math.max(stream.position, flushedThrough));
      if (visited % STREAMS_PER_CLOCK_CHECK === 0 && this.#isOver(end)) return false;
    }
  }

  #runBehind(end: number): boolean {
    if (this.#behind.length === 0) return true;
    // Those that are still behind after their turn go to the next round.
    const round = this.#behind;
    this.#behind = [];
    let turn = 0;
    do {
      const stream = round[turn++]!;
      if (stream.state === StreamState.Behind) this.#flushBehind(stream);
    } while (turn < round.length && !this.#isOver(end));
    this.#behind = round.slice(turn).concat(this.#behind);
    return this.#behind.length === 0;
  }

  #isOver(end: number): boolean {
    return this.#now() > end || this.#owner.isPressed();
  }

  // A target's place in the queue is given up only when all its streams have been flushed.
  #next(): Stream | undefined {
    for (;;) {
      this.#walk ??= this.#beginTarget();
      const stream = this.#walk?.next();
      if (stream !== undefined || this.#walk === undefined) return stream;
      this.#finishTarget();
    }
  }

  // From here on a new entry must queue the target again: part of it may have been passed.
  #beginTarget(): Walk<Stream> | undefined {
    const due = this.#queue[this.#at];
    if (due === undefined) return undefined;
    due.target.isQueued = false;
    return due.target.walk();
  }

  #finishTarget(): void {
    this.#walk = undefined;
    this.#at += 1;
    if (this.#at < COMPACT_AT) return;
    this.#queue.splice(0, this.#at);
    this.#at = 0;
  }

  #idle(): void {
    this.#queue = [];
    this.#at = 0;
    this.#isScheduled = false;
    this.#forgetRanges();
    this.#owner.idle();
  }

  #forgetRanges(): void {
    for (const memo of this.#memos) memo.clear();
    this.#memos = [];
  }
}
