/**
 * How much the channels' logs keep: so many entries each, for so long, and so many bytes altogether.
 * Over the budget, the oldest entries of the largest channels go first.
 *
 * An entry counts once, however many logs hold it, and as long as a log holds it or a stream is in
 * the middle of it. A channel counts while its log holds something; one that only has streams costs
 * nothing here, so that emits are never refused because many are connected.
 */

import type { ChannelLog } from './channel-log.ts';
import { CHANNEL_OVERHEAD_BYTES, cost, type Entry } from './entry.ts';
import type { Evictions } from './evictions.ts';
import { type Timed, Timetable, tickOf } from './timetable.ts';

export interface RetentionLimits {
  /** Entries per channel. */
  readonly capacity: number;
  readonly ttlSeconds: number;
  /** All entries together, overheads included. */
  readonly budgetBytes: number;
}

/** What has to be known here of a channel. */
export interface Retained extends Timed {
  readonly name: string;
  readonly log: ChannelLog;
  /** It holds nothing and has no streams. */
  readonly isUnused: boolean;
}

export class Retention<C extends Retained> {
  readonly #limits: RetentionLimits;
  readonly #evictions: Evictions;
  readonly #forget: (channel: C) => void;
  // Channels by the binary logarithm of the KiB they hold: finding a largest one (within a factor of
  // two) is a look at the last set that is not empty, however many channels there are. Channels
  // that hold nothing are in none.
  readonly #bySize: Set<C>[] = Array.from({ length: 33 }, () => new Set());
  /** Channels that hold something, by when their oldest entry is to be looked at. */
  readonly aging = new Timetable<C>();
  /** Bytes that count in the budget now. */
  bytes = 0;
  /** Of the budget, for others than entries. */
  reservedBytes = 0;
  /** Entries that a log holds; one in several logs is one. */
  entryCount = 0;
  /** Places in logs that were given up so far: over the capacity, past the time to live, over the budget. */
  readonly evicted = { history: 0, age: 0, memory: 0 };

  /** `forget` is told of channels that hold nothing any more and have no streams. */
  constructor(limits: RetentionLimits, evictions: Evictions, forget: (channel: C) => void) {
    this.#limits = limits;
    this.#evictions = evictions;
    this.#forget = forget;
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
    if (entry.logs === 0 && entry.readers === 0) this.bytes += cost(entry);
    if (entry.logs === 0) this.entryCount += 1;
    entry.logs += 1;
    channel.log.append(entry);
    this.#settle(channel, before);
    this.trim(channel, flushedThrough);
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
    if (channel.isUnused) this.#forget(channel);
  }

  #age(channel: C, earliest: number): void {
    const { oldest } = channel.log;
    if (oldest === undefined) return;
    const tick = tickOf(oldest.time + this.#limits.ttlSeconds) + 1;
    this.aging.set(channel, Math.max(tick, earliest));
  }

  #evictFromLargest(flushedThrough: number): boolean {
    for (let size = this.#bySize.length - 1; size >= 0; size -= 1) {
      const channel = this.#evictable(this.#bySize[size]!, flushedThrough);
      if (channel === undefined) continue;
      this.#evict(channel, 'memory');
      if (channel.isUnused) this.#forget(channel);
      return true;
    }
    return false;
  }

  // Channels whose oldest entry is still to be flushed go to the back, not to be looked at each time.
  #evictable(channels: Set<C>, flushedThrough: number): C | undefined {
    let looks = channels.size;
    for (const channel of channels) {
      if (looks === 0) return undefined;
      if (channel.log.oldest!.n <= flushedThrough) return channel;
      looks -= 1;
      channels.delete(channel);
      channels.add(channel);
    }
    return undefined;
  }

  /** Empties the log of a channel that is forgotten; none of its entries counts as evicted. */
  clear(channel: C): void {
    while (this.#takeOldest(channel) !== undefined);
  }

  #evict(channel: C, reason: keyof Retention<C>['evicted']): void {
    const entry = this.#takeOldest(channel);
    if (entry === undefined) return;
    this.evicted[reason] += 1;
    this.#remember(channel.name, entry);
  }

  #takeOldest(channel: C): Entry | undefined {
    const before = this.#class(channel);
    const entry = channel.log.evict();
    if (entry === undefined) return undefined;
    entry.logs -= 1;
    if (entry.logs === 0) this.entryCount -= 1;
    if (entry.logs === 0 && entry.readers === 0) this.bytes -= cost(entry);
    this.#settle(channel, before);
    return entry;
  }

  #remember(channel: string, { n, to }: Entry): void {
    if (to === undefined) return; // its log knows
    for (const user of typeof to === 'string' ? [to] : to) this.#evictions.addFor(channel, user, n);
  }

  #settle(channel: C, before: Set<C> | undefined): void {
    const after = this.#class(channel);
    if (after === before) return;
    before?.delete(channel);
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

  #class({ log }: C): Set<C> | undefined {
    return log.bytes === 0 ? undefined : this.#bySize[32 - Math.clz32(log.bytes / 1024)];
  }
}
