/** How many streams an entry is meant for; each counts once, also when it is on several of the channels. */
import type { Channel } from './channel.ts';
import type { Stream } from './stream.ts';

export class Matches {
  readonly #channels: Channel<Stream>[] = [];
  readonly #streams: Stream[] = [];

  addChannel(channel: Channel<Stream>): void {
    if (channel.streamCount > 0) this.#channels.push(channel);
  }

  addStream(stream: Stream): void {
    this.#streams.push(stream);
  }

  count(canOverlap: boolean): number {
    if (this.#streams.length > 0)
      return canOverlap ? new Set(this.#streams).size : this.#streams.length;
    // The largest channel is counted, not walked: of the others only who is not on it is new.
    const channels = this.#channels.sort((a, b) => b.streamCount - a.streamCount);
    let count = channels[0]?.streamCount ?? 0;
    for (let i = 1; i < channels.length; i += 1)
      count += countOutside(channels[i]!, channels.slice(0, i));
    return count;
  }
}

function countOutside(channel: Channel<Stream>, others: readonly Channel<Stream>[]): number {
  let count = 0;
  for (const walk = channel.walk(); ; ) {
    const stream = walk.next();
    if (stream === undefined) return count;
    if (!others.some((other) => stream.channels.channels.includes(other))) count += 1;
  }
}
