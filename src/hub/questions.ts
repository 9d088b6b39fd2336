/**
 * What others ask a hub, and what it answers: plain data both ways, so that a question can cross a
 * thread or a machine and the answers of many hubs can be gathered.
 */
import { TICKS_PER_SECOND } from '../log/timetable.ts';
import { encodeRetry } from '../wire/frame.ts';
import {
  type Account,
  type AccountQuestion,
  accountOf,
  type TakersQuestion,
  takersOf,
} from './account.ts';
import {
  type ChannelMembers,
  type ChannelRow,
  type ChannelsQuestion,
  channelsOf,
  type MembersQuestion,
  membersOf,
} from './census.ts';
import type { Hub } from './hub.ts';
import { type Measures, measuresOf } from './measures.ts';
import type { Page } from './pages.ts';
import type { Revocation } from './revocations.ts';
import { Slices } from './slices.ts';
import { type Stream, StreamState } from './stream.ts';

/** Streams in one answer, at most; the next ones come with `after`. */
export const MAX_STREAMS_PER_ANSWER = 1_000;

/** When a page comes back to hear that its token counts no more, in milliseconds. */
const REVOKED_RETRY_MS = 1_000;

/** Which streams: those for which everything given here is true; of none, all. */
export interface Selection {
  /** Of the machine that has them: a hub does not know its own, and has none of those. */
  readonly node?: string | undefined;
  readonly id?: number | undefined;
  readonly user?: string | undefined;
  readonly channel?: string | undefined;
}

export type Question =
  | { readonly ask: 'stats' }
  /** Of several hubs, to be given to `mergeMeasures`. */
  | { readonly ask: 'measures' }
  /** In the order of their ids, from behind `after` on. */
  | StreamsQuestion
  /** Ends those whose token is revoked now, and takes no others in. */
  | { readonly ask: 'revoke'; readonly revocations: readonly Revocation[] }
  | AccountQuestion
  | TakersQuestion
  | ChannelsQuestion
  | MembersQuestion
  /** Ends them on a whole frame; they come back after so many milliseconds, spread between two bounds. */
  | {
      readonly ask: 'end';
      readonly which: Selection;
      readonly retryMs: readonly [low: number, high: number];
    };

/** Questions that are asked of all machines, where there are several. */
export type SharedQuestion = Extract<
  Question,
  { ask: 'streams' | 'account' | 'takers' | 'channels' | 'members' | 'end' }
>;

export interface StreamsQuestion {
  readonly ask: 'streams';
  readonly which: Selection;
  readonly after?: number | undefined;
  /** The machine whose stream that is, where there are several: a hub does not look at it. */
  readonly afterNode?: string | undefined;
  readonly limit?: number | undefined;
}

export interface HubStats {
  readonly streams: number;
  readonly blockedStreams: number;
  /** Blocked ones, and those whose socket has not been seen with room to spare since. */
  readonly slowStreams: number;
  readonly channels: number;
  readonly retainedBytes: number;
  readonly head: number;
}

export interface StreamFacts {
  readonly id: number;
  /** The machine that it is on, by which its id is another than those elsewhere; undefined: there is one. */
  readonly node?: string | undefined;
  readonly user: string;
  readonly channels: readonly string[];
  /** Empty unless addresses are counted. */
  readonly address: string;
  /** Seconds that it has been open. */
  readonly age: number;
  /** Number through which it has had everything that was for it. */
  readonly position: number;
  readonly isBlocked: boolean;
}

export interface StreamList {
  readonly streams: readonly StreamFacts[];
  /** To be given as `after` for the next ones, with the node of the last; undefined when there are none. */
  readonly next: number | undefined;
}

export interface Ended {
  readonly count: number;
}

/** The answer that goes with a question. */
export type AnswerTo<Q extends Question> = Q extends { ask: 'stats' }
  ? HubStats
  : Q extends { ask: 'measures' }
    ? Measures
    : Q extends { ask: 'streams' }
      ? StreamList
      : Q extends { ask: 'account' }
        ? Account
        : Q extends { ask: 'takers' }
          ? string[]
          : Q extends { ask: 'channels' }
            ? Page<ChannelRow>
            : Q extends { ask: 'members' }
              ? ChannelMembers
              : Ended;

type AnyAnswer = AnswerTo<Question>;

/** Answers at once. One that names neither user nor channel looks at every stream: some 50 ns each. */
export function answerOf<Q extends Question>(hub: Hub, question: Q): AnswerTo<Q>;
export function answerOf(hub: Hub, question: Question): AnyAnswer {
  switch (question.ask) {
    case 'stats':
      return statsOf(hub);
    case 'measures':
      return measuresOf(hub);
    case 'streams':
      return listOf(hub, selected(hub, question.which), question);
    case 'revoke':
      return { count: revoke(hub, question.revocations) };
    case 'takers':
      return takersOf(hub, question);
    case 'account':
      return accountOf(hub, question);
    case 'channels':
      return channelsOf(hub, question);
    case 'members':
      return membersOf(hub, question);
    case 'end':
      return { count: endAll(hub, selected(hub, question.which), question.retryMs) };
  }
}

const statsOf = (hub: Hub): HubStats => ({
  streams: hub.streams.size,
  blockedStreams: hub.flow.blockedStreams.size,
  slowStreams: hub.flow.slowStreams.size,
  channels: hub.channels.size,
  retainedBytes: hub.retainedBytes,
  head: hub.head,
});

function selected(hub: Hub, { node, id, user, channel }: Selection): Stream[] {
  const found: Stream[] = [];
  if (node !== undefined) return found;
  const isMeant = (stream: Stream) =>
    (id === undefined || stream.id === id) && (user === undefined || stream.user === user);
  for (const stream of candidates(hub, user, channel)) if (isMeant(stream)) found.push(stream);
  return found;
}

function* candidates(
  hub: Hub,
  user: string | undefined,
  channel: string | undefined,
): IterableIterator<Stream> {
  if (channel === undefined)
    return yield* user === undefined ? hub.streams : hub.attendance.of(user);
  const present = hub.channels.get(channel);
  if (present === undefined) return;
  if (user !== undefined) return yield* present.of(user);
  const walk = present.walk();
  for (let stream = walk.next(); stream !== undefined; stream = walk.next()) yield stream;
}

function listOf(
  hub: Hub,
  streams: Stream[],
  { after = 0, limit = MAX_STREAMS_PER_ANSWER }: StreamsQuestion,
): StreamList {
  const rest = streams.filter(({ id }) => id > after).sort((a, b) => a.id - b.id);
  const page = rest.slice(0, Math.min(limit, MAX_STREAMS_PER_ANSWER));
  const next = rest.length > page.length ? page.at(-1)!.id : undefined;
  return { streams: page.map((stream) => factsOf(hub, stream)), next };
}

const factsOf = (hub: Hub, stream: Stream): StreamFacts => ({
  id: stream.id,
  user: stream.user,
  channels: stream.channels.channels.map(({ name }) => name),
  address: stream.address,
  age: Math.max(0, hub.now() - stream.openedAt / TICKS_PER_SECOND),
  position: hub.positionOf(stream),
  isBlocked: stream.state === StreamState.Blocked,
});

/** The first of all streams that several hubs have told of, in the order of their nodes and ids. */
export function gatherStreams(answers: readonly StreamList[], limit: number): StreamList {
  const all = answers.flatMap(({ streams }) => streams).sort(byPlace);
  const streams = all.slice(0, limit);
  const hasMore = all.length > limit || answers.some(({ next }) => next !== undefined);
  return { streams, next: hasMore ? streams.at(-1)?.id : undefined };
}

const byPlace = (a: StreamFacts, b: StreamFacts): number => {
  const [x, y] = [a.node ?? '', b.node ?? ''];
  return x === y ? a.id - b.id : x < y ? -1 : 1;
};

// All at once, so that nothing emitted after this gets to them.
function revoke(hub: Hub, revocations: readonly Revocation[]): number {
  const farewell = Buffer.from(`${encodeRetry(REVOKED_RETRY_MS)}:\n`);
  let count = 0;
  for (const revocation of revocations) {
    hub.revocations.add(revocation);
    const { kind, name } = revocation;
    for (const stream of kind === 'user' ? [...hub.attendance.of(name)] : hub.streams) {
      if (!hub.revocations.covers(stream)) continue;
      hub.end(stream, 'revoked', farewell);
      count += 1;
    }
  }
  return count;
}

// The first of them at once, and so many others that nobody else has to wait.
function endAll(
  hub: Hub,
  streams: readonly Stream[],
  [low, high]: readonly [number, number],
): number {
  let at = 0;
  new Slices(() => {
    const stream = streams[at];
    if (stream === undefined) return false;
    at += 1;
    if (stream.state === StreamState.Closed) return true; // meanwhile
    const farewell = `${encodeRetry(low + Math.random() * (high - low))}:\n`;
    hub.end(stream, 'kicked', Buffer.from(farewell));
    return true;
  }).run();
  return streams.length;
}
