/**
 * Who is on a channel, and what it retains. `ChannelSet` is the group of channels that one token
 * names; streams with the same group share it. Ranges that were read are shared by all who read them.
 */

import { ChannelLog } from '../log/channel-log.ts';
import type { Evictions } from '../log/evictions.ts';
import { NOWHERE } from '../log/oldest-first.ts';
import { isPrefix } from '../log/prefix.ts';
import { Range } from '../log/range.ts';
import type { Retained } from '../log/retention.ts';
import { NEVER } from '../log/timetable.ts';
import { type Member, Members, type Walk } from './members.ts';

/** How many streams of a channel are on none of these others; true until somebody comes or goes on the former. */
export interface Overlap {
  readonly others: readonly string[];
  readonly changes: number;
  readonly outside: number;
}

export class Channel<S extends Member> implements Retained {
  readonly name: string;
  readonly isPrefix: boolean;
  readonly log = new ChannelLog();
  readonly #members = new Members<S>();
  streamCount = 0;
  /** How often somebody has come or gone. */
  changes = 0;
  /** Owned by `audience`. */
  overlap: Overlap | undefined;
  /** A flush of all of this channel's streams is due. Owned by the flusher. */
  isQueued = false;
  /** Entries came that may be over its capacity. Owned by `Room`. */
  isUntrimmed = false;
  /**
   * What is retained below it through this number, and what was evicted there, its log does not have yet; 0 when it
   * has all of it, as all that are no prefixes. Owned by `Prefixes`.
   */
  unfilledThrough = 0;
  /** So many need it although it may hold nothing and have no streams. Owned by `Fills`. */
  holders = 0;
  dueAt = NEVER;
  heapAt = NOWHERE;
  #ranges: RangeMemo | undefined;

  constructor(name: string) {
    this.name = name;
    this.isPrefix = isPrefix(name);
  }

  /** What was read last in this channel's log alone. */
  get ranges(): RangeMemo {
    this.#ranges ??= new RangeMemo([this.log]);
    return this.#ranges;
  }

  /** All its streams, one by one; they may come and go meanwhile. */
  walk(): Walk<S> {
    return this.#members.walk();
  }

  add(stream: S): void {
    this.#members.add(stream);
    this.streamCount += 1;
    this.changes += 1;
  }

  remove(stream: S): void {
    if (!this.#members.remove(stream)) return;
    this.streamCount -= 1;
    this.changes += 1;
  }

  /** The streams of one user, none when there are none. */
  of(user: string): Iterable<S> {
    return this.#members.of(user);
  }

  /** How many streams a user has here. */
  countOf(user: string): number {
    return this.#members.countOf(user);
  }

  /** It has streams, or somebody needs it without being on it. */
  get isNeeded(): boolean {
    return this.streamCount > 0 || this.holders > 0;
  }

  get isUnused(): boolean {
    return !this.isNeeded && this.log.count === 0;
  }
}

/**
 * The range that was read last in these logs. It is kept for one flush, in which most readers ask for
 * the same one.
 */
export class RangeMemo {
  readonly #logs: readonly ChannelLog[];
  #range: Range | undefined;

  constructor(logs: readonly ChannelLog[]) {
    this.#logs = logs;
  }

  get isEmpty(): boolean {
    return this.#range === undefined;
  }

  /** What lies behind number `after`. */
  range(after: number, head: number): Range {
    const kept = this.#range;
    if (kept !== undefined && kept.after === after && kept.head === head) return kept;
    this.#range = new Range(this.#logs, after, head);
    return this.#range;
  }

  /** Lets go of the range and its bytes. */
  clear(): void {
    this.#range = undefined;
  }
}

export class ChannelSet<S extends Member> {
  readonly key: string;
  readonly channels: readonly Channel<S>[];
  /** Open streams with this set; at zero the set is forgotten. */
  streamCount = 0;
  readonly #evictions: Evictions;
  #ranges: RangeMemo | undefined;

  constructor(key: string, channels: readonly Channel<S>[], evictions: Evictions) {
    this.key = key;
    this.channels = channels;
    this.#evictions = evictions;
  }

  /**
   * Hot path: where to read what lies behind number `after`. When only one channel has something
   * there, which is nearly always so, it is that channel's own memo: sets of channels that have
   * nothing but that one in common share its bytes.
   */
  rangesAfter(after: number): RangeMemo {
    let only: Channel<S> | undefined;
    for (const channel of this.channels) {
      if (channel.log.newestNumber <= after) continue;
      if (only !== undefined) return this.#merged();
      only = channel;
    }
    return only === undefined ? this.#merged() : only.ranges;
  }

  #merged(): RangeMemo {
    this.#ranges ??= new RangeMemo(this.channels.map(({ log }) => log));
    return this.#ranges;
  }

  /**
   * A stream of this user that has had everything through `n` has missed something up to the number
   * returned, or may have, while a prefix `isUnfilledAfter(n)`; `n` itself when it has missed nothing.
   */
  missedThrough(user: string, n: number): number {
    let missed = n;
    for (const channel of this.channels) {
      const { log } = channel;
      if (log.evictedThrough <= missed) continue;
      const known = Math.max(log.evictedForEveryone, this.#evictions.for(channel.name, user));
      missed = Math.max(missed, channel.unfilledThrough, known);
    }
    return missed;
  }

  /** Whether one of them lacks what lies behind number `n` below it. */
  isUnfilledAfter(n: number): boolean {
    return isUnfilledAfter(this.channels, n);
  }
}

export const isUnfilledAfter = (
  channels: readonly Pick<Channel<Member>, 'unfilledThrough'>[],
  n: number,
): boolean => channels.some(({ unfilledThrough }) => unfilledThrough > n);
