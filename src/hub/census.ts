/** Channels and their users as rows, of one hub, and those of several hubs put together. */
import type { Hub } from './hub.ts';
import { byText, type Compare, type Page, pageOf } from './pages.ts';

/** Channels of which one of several hubs tells, when they are sorted by a number that must be added up. */
export const MAX_ROWS_PER_HUB = 100_000;

export const CHANNEL_ORDERS = ['name', 'streams', 'entries', 'bytes'] as const;
export type ChannelOrder = (typeof CHANNEL_ORDERS)[number];

export interface ChannelRow {
  readonly name: string;
  readonly streams: number;
  /** Retained, with their bytes. */
  readonly entries: number;
  readonly bytes: number;
}

export interface MemberRow {
  readonly user: string;
  readonly streams: number;
}

export interface ChannelsQuestion {
  readonly ask: 'channels';
  readonly sort: ChannelOrder;
  /** The last row before those that are wanted. */
  readonly after: ChannelRow | undefined;
  readonly limit: number;
  /** Begins of names that are wanted. */
  readonly prefix: string;
}

export interface MembersQuestion {
  readonly ask: 'members';
  readonly channel: string;
  readonly after: string | undefined;
  readonly limit: number;
}

export interface ChannelMembers extends Page<MemberRow> {
  /** What there is of the channel here; zeros when nothing is. */
  readonly channel: ChannelRow;
}

export const compareChannels = (sort: ChannelOrder): Compare<ChannelRow> =>
  sort === 'name'
    ? (a, b) => byText(a.name, b.name)
    : (a, b) => b[sort] - a[sort] || byText(a.name, b.name);

const compareMembers: Compare<MemberRow> = (a, b) => byText(a.user, b.user);

/** Looks at every channel: about 100 ms for a million. */
export function channelsOf(hub: Hub, question: ChannelsQuestion): Page<ChannelRow> {
  const { sort, after, limit, prefix } = question;
  return pageOf(channelRows(hub, prefix), { compare: compareChannels(sort), after, limit });
}

function* channelRows(hub: Hub, prefix: string): Generator<ChannelRow> {
  for (const name of hub.channels.keys()) if (name.startsWith(prefix)) yield rowOf(hub, name);
}

function rowOf(hub: Hub, name: string): ChannelRow {
  const channel = hub.channels.get(name);
  if (channel === undefined) return { name, streams: 0, entries: 0, bytes: 0 };
  const { log, streamCount } = channel;
  // Where more is kept elsewhere, that is counted there.
  if (hub.isTail) return { name, streams: streamCount, entries: 0, bytes: 0 };
  return { name, streams: streamCount, entries: log.count, bytes: log.bytes };
}

export function membersOf(hub: Hub, question: MembersQuestion): ChannelMembers {
  const { channel: name, after, limit } = question;
  const counts = new Map<string, number>();
  const walk = hub.channels.get(name)?.walk();
  for (let stream = walk?.next(); stream !== undefined; stream = walk?.next())
    counts.set(stream.user, (counts.get(stream.user) ?? 0) + 1);
  const rows = [...counts].map(([user, streams]) => ({ user, streams }));
  return { channel: rowOf(hub, name), ...pageOf(rows, memberPage(after, limit)) };
}

const memberPage = (after: string | undefined, limit: number) => ({
  compare: compareMembers,
  after: after === undefined ? undefined : { user: after, streams: 0 },
  limit,
});

/**
 * What must be asked of each of several hubs, so that their answers can be put together: what is sorted
 * by a sum has to come whole.
 */
export const forSeveral = (question: ChannelsQuestion): ChannelsQuestion =>
  question.sort === 'name'
    ? question
    : { ...question, sort: 'name', after: undefined, limit: MAX_ROWS_PER_HUB };

export interface GatheredChannels extends Page<ChannelRow> {
  /** False when there were more channels than several hubs tell of. */
  readonly isComplete: boolean;
}

/** The page that was asked for, out of what the hubs have answered to `forSeveral`. */
export function gatherChannels(
  answers: readonly Page<ChannelRow>[],
  { sort, after, limit }: ChannelsQuestion,
): GatheredChannels {
  const isComplete = sort === 'name' || answers.every(({ next }) => next === undefined);
  const sums = new Map<string, ChannelRow>();
  for (const { rows } of answers)
    for (const row of rows) sums.set(row.name, addChannels(row, sums.get(row.name)));
  const page = pageOf(sums.values(), { compare: compareChannels(sort), after, limit });
  const isCut = sort === 'name' && answers.some(({ next }) => next !== undefined);
  return { rows: page.rows, next: page.next ?? (isCut ? page.rows.at(-1) : undefined), isComplete };
}

const addChannels = (a: ChannelRow, b: ChannelRow | undefined): ChannelRow =>
  b === undefined
    ? a
    : {
        name: a.name,
        streams: a.streams + b.streams,
        entries: a.entries + b.entries,
        bytes: a.bytes + b.bytes,
      };

/** The page of a channel's users, out of those of several hubs. */
export function gatherMembers(
  answers: readonly ChannelMembers[],
  { after, limit }: MembersQuestion,
): ChannelMembers {
  const users = new Map<string, MemberRow>();
  for (const { rows } of answers)
    for (const { user, streams } of rows)
      users.set(user, { user, streams: streams + (users.get(user)?.streams ?? 0) });
  const page = pageOf(users.values(), memberPage(after, limit));
  const isCut = answers.some(({ next }) => next !== undefined);
  const channel = answers.map((answer) => answer.channel).reduce((a, b) => addChannels(a, b));
  return { channel, rows: page.rows, next: page.next ?? (isCut ? page.rows.at(-1) : undefined) };
}
