/**
 * How streams take bytes: which are stuck and since when, what they keep alive meanwhile, and when each
 * stream is to be looked at. A stream changes its state itself and tells here what others must know.
 */

import type { Entry } from '../log/entry.ts';
import type { Retention } from '../log/retention.ts';
import { TICKS_PER_SECOND, Timetable, tickOf } from '../log/timetable.ts';
import type { Channel } from './channel.ts';
import type { CloseReason, Stream, StreamOwner } from './stream.ts';

export interface FlowOptions {
  readonly retention: Retention<Channel<Stream>>;
  /** Seconds of a monotonic clock. */
  readonly now: () => number;
  /** A stream takes bytes again, and is behind. */
  readonly onResumed: (stream: Stream) => void;
  /** A stream is about to be over. */
  readonly onClosing: (stream: Stream) => void;
  readonly onClosed: (stream: Stream, reason: CloseReason) => void;
}

export class Flow implements StreamOwner {
  /** In the order in which they blocked. */
  readonly blockedStreams = new Set<Stream>();
  /** Streams that blocked and whose socket has not been seen with room to spare since. */
  readonly slowStreams = new Set<Stream>();
  /** Streams ended so far whose last bytes the addon still had to send. */
  endedBlockedCount = 0;
  /** All streams, by when they are to be looked at. */
  readonly due = new Timetable<Stream>();
  /** The tick at which the clock was last read. */
  tick = 0;
  readonly #options: FlowOptions;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  /** To be called once per tick while there are streams. */
  readClock(): void {
    this.tick = tickOf(this.#options.now());
  }

  /** A stream is open. */
  opened(stream: Stream): void {
    this.due.set(stream, this.tick + 1);
  }

  /** StreamOwner: a stream cannot take more for now. */
  blocked(stream: Stream): void {
    stream.blockedAt = this.#options.now();
    this.blockedStreams.add(stream);
    this.slowStreams.add(stream);
    this.due.hasten(stream, this.tick + TICKS_PER_SECOND); // the shortest -stall
  }

  /** StreamOwner: a stream has room again. */
  resumed(stream: Stream): void {
    this.blockedStreams.delete(stream);
    this.#options.onResumed(stream);
  }

  /** StreamOwner: a stream's socket has room to spare. */
  settled(stream: Stream): void {
    this.slowStreams.delete(stream);
  }

  /** StreamOwner: a stream keeps another entry alive than before. */
  holds(entry: Entry | undefined, before: Entry | undefined): void {
    if (entry !== undefined) this.#options.retention.hold(entry);
    if (before !== undefined) this.#options.retention.release(before);
  }

  /** StreamOwner: a stream is about to be over. */
  closing(stream: Stream): void {
    this.#options.onClosing(stream);
  }

  /** StreamOwner: a stream is over. */
  closed(stream: Stream, reason: CloseReason): void {
    this.due.remove(stream);
    this.blockedStreams.delete(stream);
    this.slowStreams.delete(stream);
    this.#options.onClosed(stream, reason);
  }

  /** Closes the stream that is stuck inside a frame for longest; false when there is none. */
  closeLongestStuck(): boolean {
    for (const stream of this.blockedStreams) {
      if (stream.heldEntry === undefined) continue;
      stream.close('stalled');
      return true;
    }
    return false;
  }

  /** The least position of a stream that is stuck, or `n` when that is less. */
  leastPosition(n: number): number {
    let least = n;
    for (const { position } of this.blockedStreams) least = Math.min(least, position);
    return least;
  }
}
