/**
 * How much the channels' logs keep: so many entries each, for so long, and so many bytes altogether.
 * Over the budget, the oldest entries of the largest channels go first.
 */
import type { Channel, Member } from './channel.ts';
import { cost, type Entry } from './log.ts';

/** What a channel costs besides its entries: map slots, sets, log, in bytes. */
export const CHANNEL_OVERHEAD_BYTES = 1_000;

// Size class of channels that hold nothing.
const EMPTY = 0;

// Channels that are looked at for something to evict before an emit is refused.
const MAX_LOOKS = 1_000;

export interface RetentionLimits {
  /** Entries per channel. */
  readonly capacity: number;
  readonly ttlSeconds: number;
  /** All channels together, overheads included. */
  readonly budgetBytes: number;
}

export class Retention<S extends Member> {
  readonly #limits: RetentionLimits;
  readonly #forget: (channel: Channel<S>) => void;
  // Channels by the binary logarithm of what they hold: finding a largest one (within a factor of
  // two) is a look at the last set that is not empty, however many channels there are.
  readonly #bySize: Set<Channel<S>>[] = Array.from({ length: 64 }, () => new Set());
  bytes = 0;

  /** `forget` is told of channels that hold nothing any more and have no streams. */
  constructor(limits: RetentionLimits, forget: (channel: Channel<S>) => void) {
    this.#limits = limits;
    this.#forget = forget;
  }

  /** Counts in (or, negative, out) what is kept alive outside the logs. */
  charge(bytes: number): void {
    this.bytes += bytes;
  }

  /** A channel comes to be. */
  added(channel: Channel<S>): void {
    this.bytes += CHANNEL_OVERHEAD_BYTES;
    this.#class(channel).add(channel);
  }

  removed(channel: Channel<S>): void {
    this.bytes -= CHANNEL_OVERHEAD_BYTES;
    this.#class(channel).delete(channel);
  }

  /**
   * Evicts until `bytes` more fit into the budget. False when they cannot: the rest is needed by a
   * flush to come, or it is too much altogether.
   */
  makeRoom(bytes: number, flushedThrough: number): boolean {
    while (this.bytes + bytes > this.#limits.budgetBytes) {
      if (!this.#evictFromLargest(flushedThrough)) return false;
    }
    return true;
  }

  /** Appends, then evicts for number; entries up to `flushedThrough` may go. */
  append(channel: Channel<S>, entry: Entry, flushedThrough: number): void {
    const before = this.#class(channel);
    channel.log.append(entry);
    this.#settle(channel, before, cost(entry));
    this.trim(channel, flushedThrough);
  }

  /** Evicts what is over the channel's capacity and not needed by a flush to come. */
  trim(channel: Channel<S>, flushedThrough: number): void {
    const { log } = channel;
    while (log.count > this.#limits.capacity && log.oldest!.n <= flushedThrough) {
      this.#evict(channel);
    }
  }

  /** Evicts what is older than the time to live. */
  expire(channel: Channel<S>, nowSeconds: number): void {
    const oldestAllowed = nowSeconds - this.#limits.ttlSeconds;
    const { log } = channel;
    while (log.oldest !== undefined && log.oldest.time < oldestAllowed) this.#evict(channel);
    if (channel.isUnused) this.#forget(channel);
  }

  #evictFromLargest(flushedThrough: number): boolean {
    let looks = 0;
    for (let size = this.#bySize.length - 1; size > EMPTY; size -= 1) {
      for (const channel of this.#bySize[size]!) {
        // A log without entries may still hold whose entries it has evicted.
        const { oldest } = channel.log;
        if (oldest !== undefined && oldest.n <= flushedThrough) {
          this.#evict(channel);
          if (channel.isUnused) this.#forget(channel);
          return true;
        }
        looks += 1;
        if (looks === MAX_LOOKS) return false;
      }
    }
    return false;
  }

  #evict(channel: Channel<S>): void {
    const before = this.#class(channel);
    const bytes = channel.log.bytes;
    channel.log.evict();
    this.#settle(channel, before, channel.log.bytes - bytes);
  }

  #settle(channel: Channel<S>, before: Set<Channel<S>>, change: number): void {
    this.bytes += change;
    const after = this.#class(channel);
    if (after === before) return;
    before.delete(channel);
    after.add(channel);
  }

  #class({ log }: Channel<S>): Set<Channel<S>> {
    return this.#bySize[log.bytes === 0 ? EMPTY : Math.ceil(Math.log2(log.bytes))]!;
  }
}
