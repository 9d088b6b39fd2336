/** What nodes ask each other, and what they answer: plain data, checked where it comes in. */
import { MAX_CHANNELS_PER_TOKEN } from '../auth/claims.ts';
import { MAX_NAME_BYTES } from '../auth/names.ts';
import type { Account, EventFacts, Witness } from '../hub/account.ts';
import {
  CHANNEL_ORDERS,
  type ChannelMembers,
  type ChannelRow,
  MAX_ROWS_PER_HUB,
} from '../hub/census.ts';
import { MAX_GAPS } from '../hub/gaps.ts';
import { MAX_ROWS_PER_PAGE, type Page } from '../hub/pages.ts';
import type {
  AnswerTo,
  Ended,
  Selection,
  SharedQuestion,
  StreamFacts,
  StreamList,
} from '../hub/questions.ts';
import type { Presence } from '../presence/roster.ts';
import type { Present } from './everybody.ts';
import { NODE_NAME } from './members.ts';
import {
  count,
  either,
  flag,
  listOf,
  Misshapen,
  maybe,
  number,
  oneOf,
  record,
  type Shape,
  text,
} from './shape.ts';

/** Users in one question, at most. */
export const MAX_USERS_ASKED = 1_000;

/** In characters, of which a name has no more than bytes. */
const NAME = text(MAX_NAME_BYTES);
/** Of an event, as somebody asked for it. */
const ID = text(4_096);
const CHANNELS = listOf(NAME, MAX_CHANNELS_PER_TOKEN);
const USERS = listOf(NAME, MAX_USERS_ASKED);

export type NodeQuestion =
  | SharedQuestion
  /** Whether these users are here. */
  | { readonly ask: 'states'; readonly users: readonly string[] }
  /** All who are here. */
  | { readonly ask: 'present' }
  /** Have all revocations through this number in force. */
  | { readonly ask: 'revoked'; readonly through: number };

/** One for the whole node. */
export type NodeAnswer<Q extends NodeQuestion> = Q extends SharedQuestion
  ? AnswerTo<Q>
  : Q extends { ask: 'states' }
    ? readonly Presence[]
    : Q extends { ask: 'present' }
      ? Present
      : Ended;

/** What any of them is answered with. */
export type AnyNodeAnswer = NodeAnswer<NodeQuestion>;

const WHICH = record<Selection>({
  node: maybe(NODE_NAME),
  id: maybe(count),
  user: maybe(NAME),
  channel: maybe(NAME),
});

const ROW: Shape<ChannelRow> = record<ChannelRow>({
  name: NAME,
  streams: count,
  entries: count,
  bytes: count,
});

const LIMIT: Shape<number> = (value) => {
  const limit = count(value);
  if (limit >= 1 && limit <= MAX_ROWS_PER_HUB) return limit;
  throw new Misshapen('a page of no possible length');
};

const RETRY: Shape<readonly [number, number]> = (value) => {
  const [low, high] = listOf(count, 2)(value);
  if (low === undefined || high === undefined) throw new Misshapen('no two numbers');
  return [low, high];
};

/** Of those that are to end: not all that there are. */
const SOME: Shape<Selection> = (value) => {
  const which = WHICH(value);
  if (which.user !== undefined || which.channel !== undefined || which.id !== undefined)
    return which;
  throw new Misshapen('says not whose streams');
};

type Asked<K extends NodeQuestion['ask']> = Extract<NodeQuestion, { ask: K }>;

const QUESTIONS: { readonly [K in NodeQuestion['ask']]: Shape<Asked<K>> } = {
  streams: record<Asked<'streams'>>({
    ask: oneOf('streams'),
    which: WHICH,
    after: maybe(count),
    afterNode: maybe(NODE_NAME),
    limit: maybe(LIMIT),
  }),
  account: record<Asked<'account'>>({ ask: oneOf('account'), user: NAME, id: maybe(ID) }),
  takers: record<Asked<'takers'>>({
    ask: oneOf('takers'),
    id: ID,
    channels: CHANNELS,
    users: USERS,
  }),
  channels: record<Asked<'channels'>>({
    ask: oneOf('channels'),
    sort: oneOf(...CHANNEL_ORDERS),
    after: maybe(ROW),
    limit: LIMIT,
    prefix: NAME,
  }),
  members: record<Asked<'members'>>({
    ask: oneOf('members'),
    channel: NAME,
    after: maybe(NAME),
    limit: LIMIT,
  }),
  end: record<Asked<'end'>>({ ask: oneOf('end'), which: SOME, retryMs: RETRY }),
  states: record<Asked<'states'>>({ ask: oneOf('states'), users: USERS }),
  present: record<Asked<'present'>>({ ask: oneOf('present') }),
  revoked: record<Asked<'revoked'>>({ ask: oneOf('revoked'), through: count }),
};

/** @throws Misshapen */
export const questionShape: Shape<NodeQuestion> = (value) => {
  const { ask } = record({ ask: text(16) })(value);
  if (!isKnown(ask)) throw new Misshapen(`no question: ${ask}`);
  return QUESTIONS[ask](value);
};

const isKnown = (ask: string): ask is NodeQuestion['ask'] => Object.hasOwn(QUESTIONS, ask);

const STREAM = record<StreamFacts>({
  id: count,
  node: maybe(NODE_NAME),
  user: NAME,
  channels: CHANNELS,
  address: text(256),
  age: number,
  position: count,
  isBlocked: flag,
});

const WITNESS = record<Witness>({
  id: maybe(count),
  node: maybe(NODE_NAME),
  channels: CHANNELS,
  startedBehind: number,
  position: number,
  gaps: listOf(number, 2 * MAX_GAPS),
  blockedFor: maybe(number),
  age: number,
  reason: maybe(text(256)),
});

/** Of a node: its threads tell of a hundred each. */
const WITNESSES = listOf(WITNESS, 6_500);

/** Of one node; an answer that is longer than may be sent comes first. */
const EVERY_NAME = listOf(NAME, 10_000_000);

const ENDED = record({ count });

const ANSWERS: { readonly [K in NodeQuestion['ask']]: Shape<AnyNodeAnswer> } = {
  streams: record<StreamList>({ streams: listOf(STREAM, MAX_ROWS_PER_PAGE), next: maybe(count) }),
  account: record<Account>({
    n: maybe(either(count, oneOf('epoch', 'unknown'))),
    event: maybe(record<EventFacts>({ channels: CHANNELS, isForUser: flag, age: number })),
    open: WITNESSES,
    closed: WITNESSES,
    refused: maybe(record({ reason: text(256), age: number })),
  }),
  takers: USERS,
  channels: record<Page<ChannelRow>>({ rows: listOf(ROW, MAX_ROWS_PER_HUB), next: maybe(ROW) }),
  members: record<ChannelMembers>({
    channel: ROW,
    rows: listOf(record({ user: NAME, streams: count }), MAX_ROWS_PER_PAGE),
    next: maybe(record({ user: NAME, streams: count })),
  }),
  end: ENDED,
  states: listOf(oneOf('online', 'away', 'offline'), MAX_USERS_ASKED),
  present: record<Present>({ n: count, users: EVERY_NAME, channels: EVERY_NAME }),
  revoked: ENDED,
};

/** What an answer to this question must look like. */
export const answerShape = (ask: NodeQuestion['ask']): Shape<AnyNodeAnswer> => ANSWERS[ask];
