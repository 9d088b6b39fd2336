/**
 * How much the channels' logs keep: so many entries each, for so long, and so many bytes altogether.
 * Over the budget, the oldest entries of the largest channels go first, from the prefixes above them as
 * well: what a prefix holds the channels below it hold, too, so that from its log alone nothing is gained.
 *
 * An entry counts once, however many logs hold it, and as long as a log holds it or a stream is in
 * the middle of it; each further log has a place for it. A channel counts while its log holds something; one that only has streams costs
 * nothing here, so that emits are never refused because many are connected.
 */

import type { ChannelLog } from './channel-log.ts';
import { CHANNEL_OVERHEAD_BYTES, cost, type Entry, PLACE_BYTES } from './entry.ts';
import type { Evictions } from './evictions.ts';
import { OldestFirst, type Placed } from './oldest-first.ts';
import { type Timed, Timetable, tickOf } from './timetable.ts';

export interface RetentionLimits {
  /** Entries per channel. */
  readonly capacity: number;
  readonly ttlSeconds: number;
  /** All entries together, overheads included. */
  readonly budgetBytes: number;
}

/** What has to be known here of a channel. */
export interface Retained extends Timed, Placed {
  readonly name: string;
  /** Its log holds what the channels below it hold. */
  readonly isPrefix: boolean;
  /** It holds nothing and has no streams. */
  readonly isUnused: boolean;
}

/** What retention does not know of channels. */
export interface ChannelsOf<C> {
  /** Is told of channels that hold nothing any more and have no streams. */
  readonly forget: (channel: C) => void;
  /** The prefixes above a channel that have logs. */
  readonly above: (name: string) => readonly C[];
  /** Is told before it counts that an entry is gone from a channel, which had evicted for everyone through `before`. */
  readonly evicting: (name: string, entry: Entry, before: number) => void;
}

export class Retention<C extends Retained> {
  readonly #limits: RetentionLimits;
  readonly #evictions: Evictions;
  readonly #channels: ChannelsOf<C>;
  // Channels by the binary logarithm of the KiB they hold: finding a largest one (within a factor of
  // two) is a look at the last heap that is not empty, however many channels there are. Channels
  // that hold nothing are in none.
  readonly #bySize = Array.from({ length: 33 }, () => new OldestFirst<C>());
  /** Prefixes that hold something; they go last. */
  readonly #prefixes = new OldestFirst<C>();
  /** Channels that hold something, by when their oldest entry is to be looked at. */
  readonly aging = new Timetable<C>();
  /** Bytes that count in the budget now. */
  bytes = 0;
  /** Of the budget, for others than entries. */
  reservedBytes = 0;
  /** Entries that a log holds; one in several logs is one. */
  entryCount = 0;
  /** Number of the newest entry that a log was given. */
  newest = 0;
  /** Places in logs that were given up so far: over the capacity, past the time to live, over the budget. */
  readonly evicted = { history: 0, age: 0, memory: 0 };

  constructor(limits: RetentionLimits, evictions: Evictions, channels: ChannelsOf<C>) {
    this.#limits = limits;
    this.#evictions = evictions;
    this.#channels = channels;
  }

  get budgetBytes(): number {
    return this.#limits.budgetBytes - this.reservedBytes;
  }

  /** A stream is in the middle of an entry: it lives on when its logs have evicted it. */
  hold(entry: Entry): void {
    entry.readers += 1;
    if (entry.readers === 1 && entry.logs === 0) this.bytes += cost(entry);
  }

  /** A stream no longer needs an entry that it held. */
  release(entry: Entry): void {
    entry.readers -= 1;
    if (entry.readers === 0 && entry.logs === 0) this.bytes -= cost(entry);
  }

  /** Evicts until `bytes` more fit into the budget, of entries up to `flushedThrough`. False when that is not enough. */
  makeRoom(bytes: number, flushedThrough: number): boolean {
    while (this.bytes + bytes > this.budgetBytes)
      if (!this.#evictFromLargest(flushedThrough)) return false;
    return true;
  }

  /** Appends, then evicts for number; entries up to `flushedThrough` may go. */
  append(channel: C, entry: Entry, flushedThrough: number): void {
    const before = this.#class(channel);
    this.#count(entry);
    channel.log.append(entry);
    this.newest = entry.n;
    this.#settle(channel, before);
    this.trim(channel, flushedThrough);
  }

  // In one log more.
  #count(entry: Entry): void {
    if (entry.logs === 0 && entry.readers === 0) this.bytes += cost(entry);
    if (entry.logs === 0) this.entryCount += 1;
    else this.bytes += PLACE_BYTES;
    entry.logs += 1;
  }

  /**
   * Takes in what is older than all that the log holds, newest first, as if it had always been there: what is over
   * the capacity counts as evicted.
   */
  prepend(channel: C, entries: readonly Entry[]): void {
    // Its oldest entry becomes older, which the heaps do not expect of a channel that they hold.
    const before = this.#class(channel);
    before?.remove(channel);
    for (const entry of entries) this.#prependOne(channel, entry);
    const after = this.#class(channel);
    after?.add(channel);
    if (before === undefined && after !== undefined) this.bytes += CHANNEL_OVERHEAD_BYTES;
    this.#age(channel, 0);
  }

  #prependOne(channel: C, entry: Entry): void {
    const { log, name } = channel;
    if (log.count < this.#limits.capacity) {
      this.#count(entry);
      log.prepend(entry);
    } else if (entry.to === undefined) log.assumeEvictedThrough(entry.n);
    else this.#remember(name, entry);
  }

  /** Evicts what is over the channel's capacity and not needed by a flush to come. */
  trim(channel: C, flushedThrough: number): void {
    const { log } = channel;
    while (log.count > this.#limits.capacity && log.oldest!.n <= flushedThrough)
      this.#evict(channel, 'history');
  }

  /** Evicts what is older than the time to live, and sees to it that the rest is looked at again. */
  expire(channel: C, nowSeconds: number): void {
    const oldestAllowed = nowSeconds - this.#limits.ttlSeconds;
    const { log } = channel;
    while (log.oldest !== undefined && log.oldest.time < oldestAllowed) this.#evict(channel, 'age');
    this.#age(channel, tickOf(nowSeconds) + 1);
    if (channel.isUnused) this.#channels.forget(channel);
  }

  #age(channel: C, earliest: number): void {
    const { oldest } = channel.log;
    if (oldest === undefined) return;
    const tick = tickOf(oldest.time + this.#limits.ttlSeconds) + 1;
    this.aging.set(channel, Math.max(tick, earliest));
  }

  #evictFromLargest(flushedThrough: number): boolean {
    for (let size = this.#bySize.length - 1; size >= 0; size -= 1) {
      const channel = this.#bySize[size]!.first();
      if (!mayGo(channel, flushedThrough)) continue;
      const { n } = channel.log.oldest!;
      this.#giveUp(channel);
      for (const prefix of this.#channels.above(channel.name))
        this.#giveUp(prefix, (log) => log.evictNumber(n));
      return true;
    }
    const prefix = this.#prefixes.first();
    if (!mayGo(prefix, flushedThrough)) return false;
    this.#giveUp(prefix);
    return true;
  }

  #giveUp(channel: C, take = oldestOf): void {
    this.#evict(channel, 'memory', take);
    if (channel.isUnused) this.#channels.forget(channel);
  }

  /** Empties the log of a channel that is forgotten; none of its entries counts as evicted. */
  clear(channel: C): void {
    while (this.#take(channel) !== undefined);
  }

  #evict(channel: C, reason: keyof Retention<C>['evicted'], take = oldestOf): void {
    const before = channel.log.evictedForEveryone;
    const entry = this.#take(channel, take);
    if (entry === undefined) return;
    this.evicted[reason] += 1;
    this.#channels.evicting(channel.name, entry, before);
    this.#remember(channel.name, entry);
  }

  #take(channel: C, take = oldestOf): Entry | undefined {
    const before = this.#class(channel);
    const entry = take(channel.log);
    if (entry === undefined) return undefined;
    entry.logs -= 1;
    if (entry.logs === 0) this.entryCount -= 1;
    else this.bytes -= PLACE_BYTES;
    if (entry.logs === 0 && entry.readers === 0) this.bytes -= cost(entry);
    this.#settle(channel, before);
    return entry;
  }

  #remember(channel: string, { n, to }: Entry): void {
    if (to === undefined) return; // its log knows
    for (const user of typeof to === 'string' ? [to] : to) this.#evictions.addFor(channel, user, n);
  }

  #settle(channel: C, before: OldestFirst<C> | undefined): void {
    const after = this.#class(channel);
    if (after === before) return;
    before?.remove(channel);
    after?.add(channel);
    if (before === undefined) {
      this.bytes += CHANNEL_OVERHEAD_BYTES;
      this.#age(channel, 0);
    }
    if (after === undefined) {
      this.bytes -= CHANNEL_OVERHEAD_BYTES;
      this.aging.remove(channel);
    }
  }

  #class({ log, isPrefix }: C): OldestFirst<C> | undefined {
    if (log.bytes === 0) return undefined;
    return isPrefix ? this.#prefixes : this.#bySize[32 - Math.clz32(log.bytes / 1024)];
  }
}

const oldestOf = (log: ChannelLog): Entry | undefined => log.evict();

const mayGo = <C extends Retained>(channel: C | undefined, flushedThrough: number): channel is C =>
  channel !== undefined && channel.log.oldest!.n <= flushedThrough;
