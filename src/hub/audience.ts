/** How many streams an entry is meant for; each counts once, also when it is on several of the channels. */

import type { Recipients } from '../log/entry.ts';
import { MAX_PREFIX_LEVELS } from '../log/prefix.ts';
import type { Channel } from './channel.ts';
import type { Stream } from './stream.ts';

/** Names that a channel remembers of those it was counted with: all prefixes above it, at most. */
const MOST_REMEMBERED = MAX_PREFIX_LEVELS;

export function audienceOf(channels: readonly Channel<Stream>[], to: Recipients): number {
  if (to === undefined) return countAll(channels);
  if (channels.length === 1) return countOf(channels[0]!, to);
  const users = typeof to === 'string' ? [to] : to;
  const streams = new Set<Stream>();
  for (const channel of channels)
    for (const user of users) for (const stream of channel.of(user)) streams.add(stream);
  return streams.size;
}

function countOf(channel: Channel<Stream>, users: string | ReadonlySet<string>): number {
  if (typeof users === 'string') return channel.countOf(users);
  let count = 0;
  for (const user of users) count += channel.countOf(user);
  return count;
}

// The largest channel is counted, not walked: of the others only who is not on a larger one is new.
function countAll(channels: readonly Channel<Stream>[]): number {
  if (channels.length < 2) return channels[0]?.streamCount ?? 0;
  const sorted = [...channels].sort((a, b) => b.streamCount - a.streamCount);
  let count = sorted[0]!.streamCount;
  for (let at = 1; at < sorted.length; at += 1) count += countNew(sorted, at);
  return count;
}

// How many streams of one channel are on none before it. Emitters use the same channels again and again,
// and what lies below a prefix is many channels: so the walk is remembered until somebody comes or goes
// on this one. Who does so on the larger ones alone is not on this one, and changes nothing here.
function countNew(channels: readonly Channel<Stream>[], at: number): number {
  const channel = channels[at]!;
  const { overlap, changes } = channel;
  if (overlap?.changes === changes && areFirst(overlap.others, channels, at))
    return overlap.outside;
  const others = channels.slice(0, at);
  const outside = countOutside(channel, others);
  if (at <= MOST_REMEMBERED)
    channel.overlap = { others: others.map(({ name }) => name), changes, outside };
  return outside;
}

const areFirst = (
  names: readonly string[],
  channels: readonly Channel<Stream>[],
  count: number,
): boolean => names.length === count && names.every((name, i) => channels[i]!.name === name);

function countOutside(channel: Channel<Stream>, others: readonly Channel<Stream>[]): number {
  let count = 0;
  for (const walk = channel.walk(); ; ) {
    const stream = walk.next();
    if (stream === undefined) return count;
    if (!others.some((other) => stream.channels.channels.includes(other))) count += 1;
  }
}
