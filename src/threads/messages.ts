/** What the main thread and the others say to each other: plain data and shared memory. */
import type { Known } from '../auth/issuer.ts';
import type { IssuerKey } from '../auth/jwks.ts';
import type { Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import type { Attendee } from '../hub/attendance.ts';
import type { DeeperQuestion } from '../hub/deeper-log.ts';
import type { Question } from '../hub/questions.ts';
import type { Epoch } from '../log/lineage.ts';
import type { Owner, Refusal } from '../public/admission.ts';
import type { Guest } from '../public/guests.ts';
import type { PackedRange } from './packed-range.ts';

/** Given to a thread when it starts. */
export interface ThreadData {
  /** The first is 0. */
  readonly thread: number;
  readonly threads: number;
  /** Without what cannot be copied; the thread makes its own. */
  readonly config: Omit<Config, 'peers'> & { readonly keys: TokenKeys };
  readonly epoch: string;
  readonly olderEpochs: readonly Epoch[];
  /** Number through which everything lies in the history. */
  readonly head: number;
  readonly tail: { readonly ttlSeconds: number; readonly budgetBytes: number };
  readonly shared: SharedCells;
}

/** Numbers that all threads see. */
export interface SharedCells {
  /** Newest number given out, as one BigInt64. */
  readonly newest: SharedArrayBuffer;
  /** Batches sent so far, as a `Tally`: a thread sees it within a turn of its loop, and the batch itself in the next. */
  readonly sent: SharedArrayBuffer;
  readonly streams: SharedArrayBuffer;
  readonly connections: SharedArrayBuffer;
  /** The memory of `SharedRing`. */
  readonly ring: SharedArrayBuffer;
}

/** What the main thread asks of another, which replies. */
export type Call =
  | { readonly do: 'listen'; readonly port: number }
  | { readonly do: 'start' }
  | { readonly do: 'allow'; readonly origin: string }
  | { readonly do: 'refuse' }
  | { readonly do: 'drain'; readonly windowMs: number }
  | { readonly do: 'ask'; readonly question: Question }
  /** Ends the stream that has this place. */
  | { readonly do: 'evict'; readonly guest: Guest }
  | { readonly do: 'close' };

export type ToThread =
  | { readonly kind: 'call'; readonly id: number; readonly call: Call }
  /** Entries, in the order of their numbers; see `batch`. At this place of the ring, or in memory of their own. */
  | { readonly kind: 'append'; readonly at: number; readonly own?: SharedArrayBuffer }
  /** What lies behind positions, as it was asked for. */
  | { readonly kind: 'ranges'; readonly ranges: readonly RangeRead[] }
  /** Places, as they were asked for, or why there is none. */
  | { readonly kind: 'entries'; readonly entries: readonly GuestEntry[] }
  /** All keys of the issuer, from now on. */
  | { readonly kind: 'keys'; readonly keys: readonly IssuerKey[] }
  /** What became of a question for a key; where there is one, it has been sent before. */
  | { readonly kind: 'known'; readonly id: number; readonly known: Known }
  /** A drain under way waits for nothing more. */
  | { readonly kind: 'hasten' };

export type FromThread =
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PlainError }
  /** The oldest batch that was not told of yet is appended. */
  | { readonly kind: 'appended' }
  /** What streams are to read since the last time. */
  | { readonly kind: 'read'; readonly questions: readonly RangeAsked[] }
  /** Who wants a place and whose place is free since the last time, in that order. */
  | { readonly kind: 'guests'; readonly notes: readonly GuestNote[] }
  /** Who has come and gone since the last time, in that order. */
  | { readonly kind: 'attendance'; readonly changes: readonly AttendanceChange[] }
  /** Whether the issuer has a key of this name. */
  | { readonly kind: 'look-up'; readonly id: number; readonly kid: string | undefined }
  /** A line for the log, with its line end. */
  | { readonly kind: 'log'; readonly line: string }
  /** An error that nobody caught: the process is to end. */
  | { readonly kind: 'fatal'; readonly error: PlainError };

export interface RangeAsked {
  readonly id: number;
  readonly question: DeeperQuestion;
}

/** The answer to the question of that id. */
export interface RangeRead {
  readonly id: number;
  readonly range: PackedRange;
}

/** A question for a place, or the place of a stream that is no more. */
export type GuestNote = { readonly id: number; readonly owner: Owner } | Guest;

/** The answer to the question of that id. */
export interface GuestEntry {
  readonly id: number;
  readonly entry: Guest | Refusal;
}

/** As `OnAttendance` is told it. */
export type AttendanceChange = readonly [what: Attendee, name: string, isHere: boolean];

/** An error, as far as it is to be told elsewhere. */
export interface PlainError {
  /** Of a TidingsError. */
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}
