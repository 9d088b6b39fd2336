/** What a hub counts and times as it goes, beside what can be seen by looking at it. */
import type { Piece } from '../log/range.ts';
import { CatchUps } from './catch-ups.ts';
import { Counts } from './counts.ts';
import { Histogram } from './histogram.ts';
import { Lots } from './lots.ts';
import type { Measures } from './measures.ts';
import type { GapReason } from './notices.ts';
import type { CloseReason } from './stream.ts';

/** How a stream that named a position found it: nothing new, something to replay, or a gap. */
export type Return = 'level' | 'behind' | 'gap';

export class Instruments {
  readonly closed = new Counts<CloseReason>([
    'left',
    'stalled',
    'expired',
    'replaced',
    'kicked',
    'revoked',
    'drain',
    'error',
  ]);
  readonly gaps = new Counts<GapReason>(['evicted', 'epoch', 'unknown', 'lagged']);
  readonly returns = new Counts<Return>(['level', 'behind', 'gap']);
  readonly lots = new Lots(() => performance.now());
  readonly catchUps: CatchUps;
  /** Turns of the flusher. */
  readonly turns = new Histogram();
  /** By how much the tick of the clockwork was late. */
  readonly lateness = new Histogram();
  /** Events written to streams, and their bytes: an event for three streams is three. */
  deliveries = 0;
  deliveredBytes = 0;
  /** What stands before the hub in its thread has measures of its own: they are told with the hub's. */
  beside: () => Measures = () => ({ values: {}, times: {} });

  /** `now` is in seconds. */
  constructor(now: () => number) {
    this.catchUps = new CatchUps(now);
  }

  /** Hot path: a stream was given these, and has had everything through number `position` of them. */
  wrote(pieces: readonly Piece[], position: number): void {
    for (let i = 0; i < pieces.length; i += 1) {
      const piece = pieces[i]!;
      if (piece.through > position) return;
      this.deliveries += piece.events;
      this.deliveredBytes += piece.bytes.length;
    }
  }

  /** A turn of the flusher went from one moment to another, in milliseconds. */
  turned(from: number, to: number, flushedThrough: number): void {
    this.turns.add((to - from) / 1_000);
    this.lots.flushed(flushedThrough, to);
  }
}
