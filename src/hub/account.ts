/** All that a hub knows of one user, and of one event as far as it concerns that user. */

import { type Entry, isFor } from '../log/entry.ts';
import type { Refusal } from '../log/lineage.ts';
import { stemsOf } from '../log/prefix.ts';
import { TICKS_PER_SECOND } from '../log/timetable.ts';
import type { Departure } from './departures.ts';
import { type Gaps, isInGap } from './gaps.ts';
import type { Hub } from './hub.ts';
import { type Stream, StreamState } from './stream.ts';

/** Streams of a user in one account, open ones and closed ones each. */
const MAX_STREAMS = 100;

export interface AccountQuestion {
  readonly ask: 'account';
  readonly user: string;
  /** Of an event. */
  readonly id: string | undefined;
}

/** A stream, with what decides whether it had an event. */
export interface Witness {
  /** Undefined when it is closed. */
  readonly id: number | undefined;
  /** The machine it is on, where there are several; the id counts only with it. */
  readonly node?: string | undefined;
  readonly channels: readonly string[];
  readonly startedBehind: number;
  readonly position: number;
  /** What it was told to be missing. */
  readonly gaps: Gaps;
  /** Since when it takes nothing, in seconds ago; undefined: it takes what comes. */
  readonly blockedFor: number | undefined;
  /** Since it opened or, when it is closed, since it closed, in seconds. */
  readonly age: number;
  /** Why it closed. */
  readonly reason: string | undefined;
}

export interface EventFacts {
  readonly channels: readonly string[];
  readonly isForUser: boolean;
  /** Seconds since it was emitted. */
  readonly age: number;
}

export interface Account {
  /** The number of the id; why there is none. Undefined when none was asked for. */
  readonly n: number | Refusal | undefined;
  /** Undefined when it is not retained here. */
  readonly event: EventFacts | undefined;
  readonly open: readonly Witness[];
  /** The newest first. */
  readonly closed: readonly Witness[];
  /** By what the user's last stream was refused, and how many seconds ago. */
  readonly refused: { readonly reason: string; readonly age: number } | undefined;
}

/** Looks at every channel for the event, and at every stream that closed of late. */
export function accountOf(hub: Hub, { user, id }: AccountQuestion): Account {
  const { attendance, now } = hub;
  const n = id === undefined ? undefined : hub.numberOf(id);
  const [refused] = attendance.refusals.of(user, 1);
  return {
    n,
    event: typeof n === 'number' ? eventOf(hub, n, user) : undefined,
    open: [...attendance.of(user)].slice(0, MAX_STREAMS).map((stream) => open(hub, stream)),
    closed: attendance.departures.of(user, MAX_STREAMS).map((one) => closed(one, now())),
    refused: refused && { reason: refused.reason, age: now() - refused.at },
  };
}

function open(hub: Hub, stream: Stream): Witness {
  const isBlocked = stream.state === StreamState.Blocked;
  return {
    id: stream.id,
    channels: stream.channels.channels.map(({ name }) => name),
    startedBehind: stream.startedBehind,
    position: hub.positionOf(stream),
    gaps: hub.gapsOf(stream),
    blockedFor: isBlocked ? hub.now() - stream.blockedAt : undefined,
    age: hub.now() - stream.openedAt / TICKS_PER_SECOND,
    reason: undefined,
  };
}

const closed = ({ user: _, channels, at, ...rest }: Departure, now: number): Witness => ({
  ...rest,
  id: undefined,
  channels: channels.split('\n'),
  blockedFor: undefined,
  age: now - at,
});

function eventOf(hub: Hub, n: number, user: string): EventFacts | undefined {
  const channels: string[] = [];
  let found: Entry | undefined;
  for (const { name, log } of hub.channels.values()) {
    const entry = log.newestNumber < n ? undefined : log.after(n - 1, 1)[0];
    if (entry?.n !== n) continue;
    found = entry;
    channels.push(name);
  }
  if (found === undefined) return undefined;
  const { to, time } = found;
  return { channels, isForUser: isFor(to, user), age: hub.now() - time };
}

/** What several hubs know together. `n` is that of the last, which knows the whole order. */
export function gatherAccounts(answers: readonly Account[]): Account {
  const refusals = answers.flatMap(({ refused }) => refused ?? []);
  return {
    n: answers.at(-1)!.n,
    event: answers.find(({ event }) => event !== undefined)?.event,
    open: answers.flatMap((answer) => answer.open),
    closed: answers.flatMap((answer) => answer.closed).sort((a, b) => a.age - b.age),
    refused: refusals.sort((a, b) => a.age - b.age)[0],
  };
}

export interface TakersQuestion {
  readonly ask: 'takers';
  readonly id: string;
  readonly channels: readonly string[];
  readonly users: readonly string[];
}

/** Which of the users had the event, from a stream that is open or closed of late. */
export function takersOf(hub: Hub, { id, channels, users }: TakersQuestion): string[] {
  const n = hub.numberOf(id);
  if (typeof n !== 'number') return [];
  const had = (witness: Witness) => wasGiven(witness, n, { channels });
  const taken = new Set<string>();
  for (const user of users)
    for (const stream of hub.attendance.of(user)) if (had(open(hub, stream))) taken.add(user);
  const rest = new Set(users.filter((user) => !taken.has(user)));
  for (const departure of hub.attendance.departures.all())
    if (rest.has(departure.user) && had(closed(departure, 0))) taken.add(departure.user);
  return [...taken];
}

/** Whether a stream on these channels takes what is emitted to those, by a prefix too. */
export const takes = (channels: readonly string[], emitted: readonly string[]): boolean =>
  emitted.some(
    (name) =>
      channels.includes(name) || stemsOf(name).some((stem) => channels.includes(`${stem}*`)),
  );

/** Whether a stream was given an event of this number on these channels, for all that is known. */
export const wasGiven = (
  { channels, startedBehind, position, gaps }: Witness,
  n: number,
  event: Pick<EventFacts, 'channels'>,
): boolean =>
  startedBehind < n && n <= position && !isInGap(gaps, n) && takes(channels, event.channels);
