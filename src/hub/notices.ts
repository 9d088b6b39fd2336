/**
 * The events of the server's own, as text: `tidings.open`, `tidings.gap`, `tidings.position` and
 * `tidings.expiring`. An id in one of them is a promise: everything up to it was written on this
 * stream before, or was declared missing. Who calls keeps it.
 */
import { encodeSystemEvent } from '../wire/frame.ts';
import { Spread } from './spread.ts';

/** Characters of a strange id that are sent back in the notice of its gap. */
const MAX_ECHO_LENGTH = 64;

/** Why a stream has a gap: see `tidings.gap` in docs/clients.md. */
export const GAP_REASONS = ['evicted', 'epoch', 'unknown', 'lagged'] as const;
export type GapReason = (typeof GAP_REASONS)[number];

export interface Gap {
  /** The id that the reader had. */
  readonly after: string;
  /** The id from which the stream goes on: what is missing is not newer. */
  readonly resumed: string;
  readonly reason: GapReason;
}

export interface NoticeOptions {
  /** False: none is sent, for programs that take every event for theirs. */
  readonly isOn: boolean;
  /** Longest silence on a stream, in seconds. */
  readonly heartbeatSeconds: number;
}

export class Notices {
  readonly isOn: boolean;
  readonly #heartbeatSeconds: number;
  readonly #spread = new Spread();

  constructor({ isOn, heartbeatSeconds }: NoticeOptions) {
    this.isOn = isOn;
    this.#heartbeatSeconds = heartbeatSeconds;
  }

  /** First of all. Without an id when a gap is told next, or later. */
  open(secondsLeft: number, id: string | undefined): string {
    const data = { heartbeat: this.#heartbeatSeconds, expires: Math.floor(secondsLeft) };
    return encodeSystemEvent('open', data, id);
  }

  gap({ after, resumed, reason }: Gap, now: number): string {
    const spread = this.#spread.next(now);
    const data = { after: after.slice(0, MAX_ECHO_LENGTH), resumed, reason, spread };
    return encodeSystemEvent('gap', data, resumed);
  }

  /** Keeps the id of a stream young that has heard nothing for long. */
  position(id: string): string {
    return encodeSystemEvent('position', {}, id);
  }

  expiring(secondsLeft: number, id: string): string {
    return encodeSystemEvent('expiring', Math.ceil(secondsLeft), id);
  }
}
