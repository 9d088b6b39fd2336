/** How many streams an entry is meant for; each counts once, also when it is on several of the channels. */
import { type Channel, ChannelWalk } from './channel.ts';
import type { Stream } from './stream.ts';

export class Matches {
  readonly #channels: Channel<Stream>[] = [];
  readonly #streams: Stream[] = [];

  addChannel(channel: Channel<Stream>): void {
    this.#channels.push(channel);
  }

  addStream(stream: Stream): void {
    this.#streams.push(stream);
  }

  count(canOverlap: boolean): number {
    if (!canOverlap) return this.#streams.length + (this.#channels[0]?.streamCount ?? 0);
    const all = new Set(this.#streams);
    for (const channel of this.#channels) {
      for (const walk = new ChannelWalk(channel); ; ) {
        const stream = walk.next();
        if (stream === undefined) break;
        all.add(stream);
      }
    }
    return all.size;
  }
}
