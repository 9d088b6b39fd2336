/** The index channel → user → streams: channels come to be when somebody names them, and go when nothing is left. */
import { Channel, ChannelSet } from './channel.ts';
import { Forgotten } from './forgotten.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import type { Stream } from './stream.ts';

export class ChannelIndex {
  readonly channels = new Map<string, Channel<Stream>>();
  readonly retention: Retention<Stream>;
  /** What is known of channels that are gone. */
  readonly forgotten = new Forgotten();
  readonly #sets = new Map<string, ChannelSet<Stream>>();

  constructor(limits: RetentionLimits) {
    this.retention = new Retention(limits, (channel) => this.forget(channel));
  }

  /** The channel of this name, made if need be. */
  channel(name: string): Channel<Stream> {
    const present = this.channels.get(name);
    if (present !== undefined) return present;
    const channel = new Channel<Stream>(name);
    channel.log.assumeEvictedThrough(this.forgotten.take(name));
    this.channels.set(name, channel);
    this.retention.added(channel);
    return channel;
  }

  /** The group of these channels; streams with the same names share it. */
  setOf(names: readonly string[]): ChannelSet<Stream> {
    const sorted = [...names].sort();
    const key = sorted.join('\n'); // names hold no control characters
    const present = this.#sets.get(key);
    if (present !== undefined) return present;
    const set = new ChannelSet(
      key,
      sorted.map((name) => this.channel(name)),
    );
    this.#sets.set(key, set);
    return set;
  }

  enter(stream: Stream): void {
    stream.channels.streamCount += 1;
    for (const channel of stream.channels.channels) channel.add(stream);
  }

  leave(stream: Stream): void {
    const set = stream.channels;
    set.streamCount -= 1;
    if (set.streamCount === 0) this.#sets.delete(set.key);
    for (const channel of set.channels) {
      channel.remove(stream);
      this.forgetUnused(channel);
    }
  }

  forgetUnused(channel: Channel<Stream>): void {
    if (channel.isUnused) this.forget(channel);
  }

  forget(channel: Channel<Stream>): void {
    if (this.channels.get(channel.name) !== channel) return;
    this.channels.delete(channel.name);
    this.forgotten.add(channel.name, channel.log.evictedThrough);
    this.retention.removed(channel);
  }

  /** Channel to the newest number it has evicted, gone channels included. */
  evictedThrough(): Record<string, number> {
    const present = [...this.channels.values()].map(({ name, log }) => [name, log.evictedThrough]);
    return { ...this.forgotten.names, ...Object.fromEntries(present) };
  }
}
