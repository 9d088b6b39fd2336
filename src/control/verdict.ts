/** Why an event did or did not get to a user: one of a closed list, with what to do next. Pure. */
import { type Account, takes, type Witness, wasGiven } from '../hub/account.ts';
import { isInGap } from '../hub/gaps.ts';
import type { Presence } from '../presence/roster.ts';
import { streamId } from './asking.ts';

export const VERDICTS = [
  'written',
  'waiting',
  'gap_told',
  'before_connect',
  'channel_not_in_token',
  'other_user',
  'unknown_id',
  'evicted',
  'revoked',
  'token_expired',
  'refused',
  'away',
  'not_connected',
] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Explanation {
  readonly verdict: Verdict;
  readonly message: string;
  /** What to do. */
  readonly next: string;
}

export interface Case {
  readonly account: Account;
  readonly state: Presence;
  /** Seconds that an event is retained at most. */
  readonly historySeconds: number;
}

const because = (verdict: Verdict, message: string, next: string): Explanation => {
  return { verdict, message, next };
};

const ago = (seconds: number): string => `${Math.round(seconds)} s ago`;

const nothing = 'nothing: this is how it should be';

export function explain(what: Case): Explanation {
  const { n } = what.account;
  if (n === undefined) return explainUser(what);
  if (typeof n === 'string')
    return because(
      'unknown_id',
      n === 'epoch'
        ? 'the id is of an earlier life of the server, of which nothing is left'
        : 'this server has not given out this id',
      'compare it with the id that the emit was answered with, and with the server it was sent to',
    );
  return explainEvent(what, n);
}

function explainEvent(what: Case, n: number): Explanation {
  const { event, open, closed } = what.account;
  if (event === undefined) return explainEvicted(what, n);
  if (!event.isForUser)
    return because('other_user', 'the event was for other users', 'emit it to this user, or to *');
  const taker = [...open, ...closed].find((stream) => wasGiven(stream, n, event));
  if (taker !== undefined) return written(taker, event.age);
  const on = open.filter(({ channels }) => takes(channels, event.channels));
  return explainOpen(on, n) ?? explainAbsent(what, event.channels);
}

function written(witness: Witness, eventAge: number): Explanation {
  const { id, age, reason } = witness;
  const stream =
    id === undefined
      ? `a stream that closed ${ago(age)} (${reason})`
      : `stream ${streamId(witness)}`;
  return because(
    'written',
    `emitted ${ago(eventAge)}, and given to the kernel for ${stream}; whether the page has seen it is not known here`,
    'look at the page: its listener for this event name, a proxy that buffers, a tab that is frozen',
  );
}

function explainEvicted({ account }: Case, n: number): Explanation {
  const told = account.open.find(({ gaps }) => isInGap(gaps, n));
  if (told !== undefined) return gapTold(told);
  return because(
    'evicted',
    'the event is no longer in the history, so nobody knows whom it was for, and no stream can get it any more',
    'raise -history, -history-ttl or -memory to be able to look back further',
  );
}

const gapTold = (witness: Witness): Explanation =>
  because(
    'gap_told',
    `stream ${streamId(witness)} came back for more than was retained and was told so by tidings.gap`,
    'the page loads its state anew at tidings.gap; raise -history or -history-ttl for longer absences',
  );

/** Of streams that have the event's channel. */
function explainOpen(on: readonly Witness[], n: number): Explanation | undefined {
  const waiting = on.find(({ position }) => position < n);
  if (waiting?.blockedFor !== undefined)
    return because(
      'waiting',
      `stream ${streamId(waiting)} has taken nothing for ${Math.round(waiting.blockedFor)} s; the event waits for it`,
      'nothing if it goes on; it is closed after -stall seconds, and gets the event when it comes back',
    );
  if (waiting !== undefined)
    return because(
      'waiting',
      `stream ${streamId(waiting)} gets the event in a moment`,
      'ask again',
    );
  const told = on.find(({ gaps }) => isInGap(gaps, n));
  if (told !== undefined) return gapTold(told);
  if (on.length === 0) return undefined;
  return because(
    'before_connect',
    `stream ${streamId(on[0]!)} opened ${ago(on[0]!.age)} behind the event: it came without an id, or with that of a later event`,
    'put the position at which the page was rendered into its token (from), so that it starts there',
  );
}

function explainAbsent(what: Case, wanted: readonly string[]): Explanation {
  const { open, closed } = what.account;
  const witness = open[0] ?? closed[0];
  if (witness !== undefined && !takes(witness.channels, wanted))
    return because(
      'channel_not_in_token',
      `the token has ${witness.channels.slice(0, 10).join(', ')}; the event was for ${wanted.slice(0, 10).join(', ')}`,
      'sign a token with that channel, or emit to one that the token has',
    );
  return explainUser(what);
}

/** Why a user gets nothing for now. */
function explainUser({ account, state, historySeconds }: Case): Explanation {
  const { open } = account;
  const blocked = open.find(({ blockedFor }) => blockedFor !== undefined);
  if (blocked !== undefined) return explainOpen([blocked], Number.POSITIVE_INFINITY)!;
  if (open.length > 0)
    return because(
      'written',
      `${open.length} open: all that was emitted for it so far was given to the kernel; whether a page has seen it is not known here`,
      nothing,
    );
  return explainGone({ account, state, historySeconds });
}

/** Why a user has no stream. */
function explainGone({ account, state, historySeconds }: Case): Explanation {
  const { closed, refused } = account;
  const last = closed[0];
  const isRefused = refused !== undefined && (last === undefined || refused.age <= last.age);
  const reason = isRefused ? refused.reason : last?.reason;
  const age = isRefused ? refused.age : last?.age;
  if (reason === 'revoked')
    return because(
      'revoked',
      `its token is revoked; the last stream met that ${ago(age!)}`,
      'have the user log in again, for a new token',
    );
  if (reason === 'expired')
    return because(
      'token_expired',
      isRefused
        ? `it came ${ago(refused.age)} with a token that had expired`
        : `its token expired ${ago(age!)}, which ended its last stream`,
      'have the page fetch a new token at tidings.expiring, and open a new stream with it',
    );
  if (isRefused)
    return because(
      'refused',
      `its last stream was refused ${ago(refused.age)} (${refused.reason})`,
      'nothing if it was draining; else raise the limit that is named: the page tries again by itself',
    );
  const past =
    last === undefined
      ? 'it has had no stream of late'
      : `its last stream ended ${ago(last.age)} (${last.reason})`;
  // One who is online has come back a moment ago.
  if (state !== 'offline')
    return because(
      'away',
      `${past}; it may be reconnecting`,
      'wait: it gets what it missed when it is back',
    );
  return because(
    'not_connected',
    `${past}; what is emitted meanwhile it can have for ${historySeconds} s, and is told of a gap after that`,
    'nothing if the page comes back before then; raise -history-ttl for longer absences, or reach the user otherwise',
  );
}
