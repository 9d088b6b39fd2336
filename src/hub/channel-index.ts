/** The index channel → user → streams: channels come to be when somebody names them, and go when nothing is left. */

import { type Eviction, Evictions } from '../log/evictions.ts';
import { Retention, type RetentionLimits } from '../log/retention.ts';
import { Channel, ChannelSet } from './channel.ts';
import type { Fills } from './fills.ts';
import { Prefixes } from './prefixes.ts';
import type { Stream } from './stream.ts';

/** The memory of what was evicted may take this share of the budget for entries, beside it. */
const EVICTIONS_SHARE = 1 / 16;

export class ChannelIndex {
  readonly channels = new Map<string, Channel<Stream>>();
  readonly evictions: Evictions;
  readonly retention: Retention<Channel<Stream>>;
  readonly #sets = new Map<string, ChannelSet<Stream>>();
  readonly #prefixes: Prefixes;

  /** `now` is in seconds of a monotonic clock. */
  constructor(limits: RetentionLimits, now: () => number) {
    this.evictions = new Evictions(limits.budgetBytes * EVICTIONS_SHARE, (name, n) => {
      const channel = this.channels.get(name);
      this.#prefixes.forgetting(name, channel?.log.evictedForEveryone ?? 0, n);
      channel?.log.assumeEvictedThrough(n);
      return channel !== undefined;
    });
    this.retention = new Retention(limits, this.evictions, {
      forget: (channel) => this.forget(channel),
      above: (name) => this.#prefixes.above(name),
      evicting: (name, entry, before) => this.#prefixes.evicting(name, entry, before),
    });
    this.#prefixes = new Prefixes({
      channels: this.channels,
      evictions: this.evictions,
      retention: this.retention,
      keepSeconds: limits.ttlSeconds,
      now,
      forget: (channel) => this.forget(channel),
      released: (channel) => this.forgetUnused(channel),
    });
  }

  get fills(): Fills {
    return this.#prefixes.fills;
  }

  /** The names of the logs that an entry for these channels belongs to: theirs, and those of prefixes above them. */
  reached(channels: readonly string[]): readonly string[] {
    return this.#prefixes.reached(channels);
  }

  /** The channel of this name, made if need be. */
  channel(name: string): Channel<Stream> {
    const present = this.channels.get(name);
    if (present !== undefined) return present;
    const channel = new Channel<Stream>(name);
    this.#prefixes.forgetting(name, this.evictions.kept(name));
    channel.log.assumeEvictedThrough(this.evictions.take(name));
    channel.log.evictedThrough = this.evictions.newest; // who it was for, they know
    this.channels.set(name, channel);
    this.#prefixes.added(channel);
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
      this.evictions,
    );
    this.#sets.set(key, set);
    return set;
  }

  /** Looks at these channels as a stream on them would, and leaves none behind that was not there. */
  inspect<T>(names: readonly string[], look: (set: ChannelSet<Stream>) => T): T {
    const channels = names.map((name) => this.channel(name));
    const result = look(new ChannelSet('', channels, this.evictions));
    for (const channel of channels) this.#noLongerNeeded(channel);
    return result;
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
      this.#noLongerNeeded(channel);
    }
  }

  #noLongerNeeded(channel: Channel<Stream>): void {
    this.#prefixes.needed(channel);
    this.forgetUnused(channel);
  }

  forgetUnused(channel: Channel<Stream>): void {
    if (channel.isUnused) this.forget(channel);
  }

  forget(channel: Channel<Stream>): void {
    if (this.channels.get(channel.name) !== channel) return;
    this.channels.delete(channel.name);
    this.#prefixes.removed(channel);
    this.evictions.keep(channel.name, channel.log.evictedForEveryone);
  }

  /** What was evicted so far, on channels that are here and on others. */
  *evicted(): IterableIterator<Eviction> {
    for (const { name, log } of this.channels.values())
      if (log.evictedForEveryone > this.evictions.elsewhere)
        yield [name, null, log.evictedForEveryone];
    yield* this.evictions;
  }

  /** Takes over what another index had evicted; before any channel comes to be. */
  restoreEvicted(evictions: Iterable<Eviction>, elsewhere: number): void {
    this.evictions.elsewhere = elsewhere;
    this.evictions.newest = elsewhere;
    for (const [channel, user, n] of evictions) {
      if (user === null) this.evictions.keep(channel, n);
      else this.evictions.addFor(channel, user, n);
    }
  }

  /** Nobody is on these channels, nor on a prefix above them, nor needs them otherwise. */
  isQuiet(channels: readonly string[]): boolean {
    return this.reached(channels).every((name) => this.channels.get(name)?.isNeeded !== true);
  }

  /** An entry with number `n` for this channel, which is quiet, goes into no log here. */
  passed(name: string, n: number): void {
    const channel = this.channels.get(name);
    const before = channel?.log.evictedForEveryone ?? this.evictions.kept(name);
    this.#prefixes.forgetting(name, before);
    if (channel === undefined) this.evictions.keep(name, n);
    else channel.log.assumeEvictedThrough(n);
    this.evictions.newest = Math.max(this.evictions.newest, n); // a prefix that comes to be lacks it
  }

  /** Anything may have been evicted through number `n`, on any channel. */
  lost(n: number): void {
    this.restoreEvicted([], n);
    for (const { log } of this.channels.values()) log.assumeEvictedThrough(n);
  }
}
