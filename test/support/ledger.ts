/**
 * The books of a test: what emitters were answered, and what clients received. `audit` says whether
 * the two add up.
 */

/** `unknown`: the connection broke before an answer came, so the event may or may not exist. */
export type Outcome = 'acked' | 'refused' | 'unknown';

export interface Emitted {
  readonly seq: number;
  /** User names, or undefined for everyone. */
  readonly to: readonly string[] | undefined;
  readonly channels: readonly string[];
  /** Of the text as clients are to see it. */
  readonly crc: number;
  readonly outcome: Outcome;
  /** Only with `acked`. */
  readonly id: string | undefined;
  /** Open streams that the server said it is meant for. */
  readonly streams: number;
}

export interface Delivery {
  readonly id: string;
  readonly seq: number;
  readonly crc: number;
}

/** What a client was told of a gap: everything after `after` through `resumed` may be missing. */
export interface Notice {
  readonly after: string;
  readonly resumed: string;
  readonly reason: string;
  /** Its own id line. */
  readonly id: string | undefined;
  /** The client's last id until then. */
  readonly last: string | undefined;
}

/** An id line, as a client keeps it: of an event, or of one of the server's own. */
export interface Sighting {
  readonly id: string;
  readonly isEvent: boolean;
}

/** One client's side, over all of its connections. */
export interface Receipt {
  readonly user: string;
  readonly channels: readonly string[];
  /** The id it began after: the one it asked for, or else that of its first `tidings.open`. */
  since: string | undefined;
  /** What lies behind this id is not due: the client has gone. Undefined: everything is due. */
  until?: string | undefined;
  readonly deliveries: Delivery[];
  readonly notices: Notice[];
  /** Every id in the order in which they came; a position that comes again counts once. */
  readonly ids: Sighting[];
  /** Connections that became a stream. */
  connections: number;
  /** What no client may see: bad statuses, events without an id. */
  readonly problems: string[];
}

/** Sums over all clients, to be printed and compared. */
export interface Account {
  readonly acked: number;
  readonly refused: number;
  readonly unknown: number;
  /** What the server said of how many streams its events were for. */
  readonly streams: number;
  /** Acknowledged events, counted once for each client they were meant for. */
  readonly expected: number;
  readonly delivered: number;
  /** Expected events that were not delivered but lie in a gap that was told. */
  readonly reported: number;
  /** Deliveries of events whose emitter got no answer. */
  readonly unanswered: number;
  readonly notices: number;
  readonly connections: number;
}

/** What comes before the number. */
export const epochOf = (id: string): string => id.slice(0, id.lastIndexOf('-'));
