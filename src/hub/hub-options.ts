/** What a hub is made with, and a stream opened with. */
import type { Epoch } from '../log/lineage.ts';
import type { RetentionLimits } from '../log/retention.ts';
import type { OnAttendance } from './attendance.ts';
import type { DeeperLog } from './deeper-log.ts';
import type { NoticeOptions } from './notices.ts';
import type { Start } from './positions.ts';
import type { CloseReason, Stream } from './stream.ts';

export interface HubOptions {
  readonly retention: RetentionLimits;
  /** The epoch of the numbers of entries, as clients see it in ids. */
  readonly epoch: string;
  /** Epochs of the history that is to be restored, oldest first; their ids are accepted. */
  readonly olderEpochs?: readonly Epoch[];
  readonly notices: NoticeOptions;
  /** Where what this hub has evicted may still be; undefined: nowhere. */
  readonly deeperLog?: DeeperLog | undefined;
  /** That is another hub of this process, which tells of what they keep together. */
  readonly isTail?: boolean;
  /** Number that the one order has reached, where this hub may not have everything yet; undefined: it has. */
  readonly newest?: () => number;
  /** Whether entries are on their way here that only the next turn of the event loop can append; undefined: never. */
  readonly isPressed?: () => boolean;
  /** An id that was passed by so many seconds ago has fallen behind; half the time to live by itself. */
  readonly staleSeconds?: number;
  /** Ids of streams count on from here, so that those of several hubs differ; 0 by itself. */
  readonly lastStreamId?: number;
  /** Told once of every stream that is over. */
  readonly onClosed?: (stream: Stream, reason: CloseReason) => void;
  /** Told of the first and the last stream of each user and channel. */
  readonly onAttendance?: OnAttendance;
  /** Revocations kept at most. */
  readonly maxRevocations?: number;
  /** Seconds of a monotonic clock. */
  readonly now?: () => number;
}

export interface OpenOptions extends Start {
  readonly user: string;
  /** Without duplicates. */
  readonly channels: readonly string[];
  readonly address: string;
  readonly expiresAt: number;
  /** Unix seconds at which the token was made. */
  readonly issuedAt?: number;
  /** The token's `jti`. */
  readonly tokenId?: string | undefined;
}
