/** How many streams an entry is meant for; each counts once, also when it is on several of the channels. */

import type { Recipients } from '../log/entry.ts';
import type { Channel } from './channel.ts';
import type { Stream } from './stream.ts';

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

// The largest channel is counted, not walked: of the others only who is not on it is new.
function countAll(channels: readonly Channel<Stream>[]): number {
  if (channels.length < 2) return channels[0]?.streamCount ?? 0;
  const sorted = [...channels].sort((a, b) => b.streamCount - a.streamCount);
  if (sorted.length === 2) return countTwo(sorted[0]!, sorted[1]!);
  let count = sorted[0]!.streamCount;
  for (let i = 1; i < sorted.length; i += 1) count += countOutside(sorted[i]!, sorted.slice(0, i));
  return count;
}

// Emitters use the same two again and again: the walk is remembered until somebody comes or goes on the
// smaller one. Who does so on the larger one alone is not on the smaller, and changes nothing there.
function countTwo(larger: Channel<Stream>, smaller: Channel<Stream>): number {
  const { changes } = smaller;
  let known = smaller.overlap;
  if (known === undefined || known.other !== larger.name || known.changes !== changes) {
    known = { other: larger.name, changes, outside: countOutside(smaller, [larger]) };
    smaller.overlap = known;
  }
  return larger.streamCount + known.outside;
}

function countOutside(channel: Channel<Stream>, others: readonly Channel<Stream>[]): number {
  let count = 0;
  for (const walk = channel.walk(); ; ) {
    const stream = walk.next();
    if (stream === undefined) return count;
    if (!others.some((other) => stream.channels.channels.includes(other))) count += 1;
  }
}
