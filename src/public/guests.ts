/** The limits per user and per address where streams of one user may be in several threads: one place counts for all. */
import type { Stream } from '../hub/stream.ts';
import type { Owner, Refusal } from './admission.ts';

/** A place that was taken, as whoever counts knows it. */
export type Guest = number;

export interface Guests {
  /** Takes a place, or says which limit is in the way. Each place is given back by `left`, or with its stream. */
  enter(owner: Owner): Promise<Guest | Refusal>;
  /** The place is this stream's. Whoever counts may end it, for a newer one. */
  opened(guest: Guest, stream: Stream): void;
  /** Nothing has become of it. */
  left(guest: Guest): void;
  /** A stream is over, and its place free. */
  closed(stream: Stream): void;
}
