/**
 * Prefixes that somebody is on, or was a while ago. Each is a channel with a log of its own, into which
 * goes what is emitted to the channels below it. One that comes to be takes over what these still
 * hold, and what they have evicted: so it need not be known before somebody comes, in whichever
 * thread, and a stream that comes back to it later is told the truth.
 */
import { Below } from '../log/below.ts';
import type { Entry } from '../log/entry.ts';
import type { Evictions } from '../log/evictions.ts';
import { stemOf, stemsOf } from '../log/prefix.ts';
import type { Retention } from '../log/retention.ts';
import type { Channel } from './channel.ts';
import type { Stream } from './stream.ts';

export interface PrefixesOptions {
  readonly channels: ReadonlyMap<string, Channel<Stream>>;
  readonly evictions: Evictions;
  readonly retention: Retention<Channel<Stream>>;
  /** A prefix without streams is kept for so long, in seconds. */
  readonly keepSeconds: number;
  /** Seconds of a monotonic clock. */
  readonly now: () => number;
  /** Takes a channel out of the index. */
  readonly forget: (channel: Channel<Stream>) => void;
}

const NONE: readonly Channel<Stream>[] = [];

interface Held {
  readonly prefix: Channel<Stream>;
  /** When its last stream left or it was last asked about; while it has streams it does not matter. */
  neededAt: number;
}

export class Prefixes {
  readonly #options: PrefixesOptions;
  /** By stem. */
  readonly #held = new Map<string, Held>();
  /** Channels by the stems above them, from the first prefix on: without any, nobody pays for it. */
  #below: Below<Channel<Stream>> | undefined;

  constructor(options: PrefixesOptions) {
    this.#options = options;
  }

  /**
   * These channels, and the prefixes above them that take what is emitted to them; each once. Costs a
   * comparison while there are no prefixes, else a look-up for each slash.
   */
  reached(channels: readonly string[]): readonly string[] {
    if (this.#held.size === 0) return channels;
    let reached: string[] | undefined;
    for (const name of channels)
      for (const stem of stemsOf(name)) {
        const held = this.#held.get(stem);
        if (held === undefined || this.#letsGo(held)) continue;
        reached ??= [...channels];
        if (!reached.includes(held.prefix.name)) reached.push(held.prefix.name);
      }
    return reached ?? channels;
  }

  /** The prefixes above a channel that take what is emitted to it. */
  above(name: string): readonly Channel<Stream>[] {
    if (this.#held.size === 0) return NONE;
    return stemsOf(name).flatMap((stem) => this.#held.get(stem)?.prefix ?? []);
  }

  /** A channel is in the index, with an empty log. */
  added(channel: Channel<Stream>): void {
    if (channel.isPrefix) this.#fill(channel);
    else this.#below?.add(channel.name, channel);
  }

  /** A channel is out of the index. */
  removed(channel: Channel<Stream>): void {
    if (channel.isPrefix) this.#held.delete(stemOf(channel.name));
    else this.#below?.remove(channel.name, channel);
  }

  /** Streams have left a channel, or it was asked about. */
  needed(channel: Channel<Stream>): void {
    if (this.#held.size === 0) return;
    const held = this.#held.get(stemOf(channel.name));
    if (held?.prefix === channel) held.neededAt = this.#options.now();
  }

  // As a channel whose log these entries had always been in: within its capacity, with the same gaps.
  #fill(prefix: Channel<Stream>): void {
    const { evictions, retention, now } = this.#options;
    const { name, log } = prefix;
    const stem = stemOf(name);
    this.#below ??= this.#allBelow();
    const channels = this.#below.of(stem);
    const facts = evictions.below(stem);
    for (const channel of channels) log.assumeEvictedThrough(channel.log.evictedForEveryone);
    for (const [, user, n] of facts)
      if (user === null) log.assumeEvictedThrough(n);
      else evictions.addFor(name, user, n);
    // No stream is on it yet, so that none of them waits for what is over the capacity.
    for (const entry of entriesOf(channels))
      if (entry.n > log.evictedForEveryone) retention.append(prefix, entry, entry.n);
    this.#held.set(stem, { prefix, neededAt: now() });
  }

  #allBelow(): Below<Channel<Stream>> {
    const below = new Below<Channel<Stream>>();
    for (const channel of this.#options.channels.values()) below.add(channel.name, channel);
    return below;
  }

  // What it still holds lies in the logs below it, or is known there as evicted.
  #letsGo({ prefix, neededAt }: Held): boolean {
    const { now, keepSeconds, forget, retention } = this.#options;
    if (prefix.streamCount > 0 || now() - neededAt <= keepSeconds) return false;
    forget(prefix);
    retention.clear(prefix);
    return true;
  }
}

/** Each once, in the order of their numbers. */
function entriesOf(channels: readonly Channel<Stream>[]): Entry[] {
  const entries = new Set<Entry>();
  for (const { log } of channels) for (const entry of log.after(0)) entries.add(entry);
  return [...entries].sort((a, b) => a.n - b.n);
}
