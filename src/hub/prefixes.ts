/**
 * Prefixes that somebody is on, or was a while ago. Each is a channel with a log of its own, into which
 * goes what is emitted to the channels below it. When a stream comes back to it for what was before,
 * it takes over what these still hold, and what they have evicted: so it need not be known before
 * somebody comes, in whichever thread, and a stream that comes back to it later is told the truth.
 */
import { Below } from '../log/below.ts';
import type { Entry } from '../log/entry.ts';
import type { Evictions } from '../log/evictions.ts';
import { stemOf, stemsOf } from '../log/prefix.ts';
import type { Retention } from '../log/retention.ts';
import type { Channel } from './channel.ts';
import { Fills } from './fills.ts';
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
  /** The same if it holds nothing and has no streams. */
  readonly released: (channel: Channel<Stream>) => void;
}

const NONE: readonly Channel<Stream>[] = [];

interface Held {
  readonly prefix: Channel<Stream>;
  /** When its last stream left or it was last asked about; while it has streams it does not matter. */
  neededAt: number;
}

export class Prefixes {
  readonly fills: Fills;
  readonly #options: PrefixesOptions;
  /** By stem. */
  readonly #held = new Map<string, Held>();
  /** Those that lack what was below them when they came to be. */
  readonly #unfilled = new Set<Channel<Stream>>();
  /** Channels by the stems above them, from the first fill on: without any, nobody pays for it. */
  #below: Below<Channel<Stream>> | undefined;
  /** Channels that were here before it and are not in it yet. */
  #unplaced: Iterable<Channel<Stream>> | undefined;

  constructor(options: PrefixesOptions) {
    this.#options = options;
    const { evictions, retention, released } = options;
    this.fills = new Fills({
      channels: (stem) => this.#channelsBelow(stem),
      evictions,
      retention,
      filled: (prefix) => this.#unfilled.delete(prefix),
      released,
    });
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
    if (channel.isPrefix) this.#begin(channel);
    else this.#below?.add(channel.name, channel);
  }

  /** A channel is out of the index. */
  removed(channel: Channel<Stream>): void {
    if (!channel.isPrefix) {
      this.forgetting(channel.name, channel.log.evictedForEveryone);
      this.#below?.remove(channel.name, channel);
      return;
    }
    this.#held.delete(stemOf(channel.name));
    this.#unfilled.delete(channel);
  }

  /** Streams have left a channel, or it was asked about. */
  needed(channel: Channel<Stream>): void {
    if (this.#held.size === 0) return;
    const held = this.#held.get(stemOf(channel.name));
    if (held?.prefix === channel) held.neededAt = this.#options.now();
  }

  // What lies below it is taken over when somebody comes back to it for that; a stream that is new needs none.
  #begin(prefix: Channel<Stream>): void {
    const { evictions, retention, now } = this.#options;
    const through = Math.max(retention.newest, evictions.newest);
    this.#held.set(stemOf(prefix.name), { prefix, neededAt: now() });
    if (through === 0) return;
    prefix.unfilledThrough = through;
    prefix.log.evictedThrough = Math.max(prefix.log.evictedThrough, through);
    this.#unfilled.add(prefix);
  }

  *#channelsBelow(stem: string): Generator<Channel<Stream> | undefined> {
    this.#below ??= new Below<Channel<Stream>>();
    this.#unplaced ??= this.#options.channels.values();
    for (const channel of this.#unplaced) {
      this.#below.add(channel.name, channel);
      yield undefined;
    }
    yield* this.#below.of(stem);
  }

  /** An entry is gone from a channel, which had evicted for everyone through `before`; the memory of evictions does not know yet. */
  evicting(name: string, { n, to }: Entry, before: number): void {
    if (this.#unfilled.size === 0) return;
    if (to === undefined) return this.forgetting(name, before, n);
    for (const prefix of this.#unfilledAbove(name))
      for (const user of typeof to === 'string' ? [to] : to)
        this.#tellFor(prefix, user, [this.#options.evictions.for(name, user), n]);
  }

  /**
   * What a channel had evicted for everyone will not be known there any more, or not apart from what is newer: prefixes that
   * lack what is below them must know it.
   */
  forgetting(name: string, ...numbers: readonly number[]): void {
    if (this.#unfilled.size === 0) return;
    for (const { log, unfilledThrough } of this.#unfilledAbove(name))
      for (const n of numbers) if (n <= unfilledThrough) log.assumeEvictedThrough(n);
  }

  #tellFor(prefix: Channel<Stream>, user: string, numbers: readonly number[]): void {
    for (const n of numbers)
      if (n > 0 && n <= prefix.unfilledThrough)
        this.#options.evictions.addFor(prefix.name, user, n);
  }

  #unfilledAbove(name: string): readonly Channel<Stream>[] {
    return this.above(name).filter((prefix) => prefix.unfilledThrough > 0);
  }

  // What it still holds lies in the logs below it, or is known there as evicted.
  #letsGo({ prefix, neededAt }: Held): boolean {
    const { now, keepSeconds, forget, retention } = this.#options;
    if (prefix.isNeeded || now() - neededAt <= keepSeconds) return false;
    forget(prefix);
    retention.clear(prefix);
    return true;
  }
}
