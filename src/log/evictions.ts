/**
 * What is no longer retained: on which channel, for whom, through which number. It is what makes a
 * notice of a gap true, so it is exact, for each user and each channel. It is bounded in bytes: the
 * oldest facts give way, and from then on a channel whose facts are gone counts as if what was
 * evicted had been meant for everyone.
 */

import { BELOW_OVERHEAD_BYTES, Below } from './below.ts';
import { FreshMap, NAME_OVERHEAD_BYTES } from './fresh-map.ts';
import { stemsOf } from './prefix.ts';

/**
 * Facts give way in lots, down to this share of the limit. A map passes by all that was deleted at its
 * front whenever it is asked for its first: one at a time, that took seconds with 100,000 facts.
 */
export const SHARE_LEFT = 15 / 16;

/** The newest number evicted on this channel for this user, or (null) for everyone. */
export type Eviction = readonly [channel: string, user: string | null, n: number];

export class Evictions {
  readonly #limitBytes: number;
  readonly #gaveWay: (channel: string, n: number) => boolean;
  // Channel, or channel LF user (names hold no control characters), to number; oldest fact first.
  readonly #facts = new FreshMap();
  /** Their keys by prefix, from the first question about one on. */
  #below: Below<string> | undefined;
  /** Keys that were here before it and are not in it yet. */
  #unplaced: IterableIterator<string> | undefined;
  /** Bytes of all facts. */
  bytes = 0;
  /** The newest number of any fact so far: a reader that has had it misses nothing told of here. */
  newest = 0;
  /** On a channel that is not known anything may have been evicted through this number. */
  elsewhere = 0;

  /**
   * `gaveWay` is told when a fact had to go; it returns true when the channel is there to take over
   * that something was evicted through `n`.
   */
  constructor(limitBytes: number, gaveWay: (channel: string, n: number) => boolean) {
    this.#limitBytes = limitBytes;
    this.#gaveWay = gaveWay;
  }

  /** An entry for this user is gone. */
  addFor(channel: string, user: string, n: number): void {
    this.#set(keyOf(channel, user), n);
  }

  /** The newest number evicted for this user; 0 when there is none. */
  for(channel: string, user: string): number {
    return this.#facts.size === 0 ? 0 : (this.#facts.get(keyOf(channel, user)) ?? 0);
  }

  /** A channel is forgotten: what it had evicted for everyone is kept here meanwhile. */
  keep(channel: string, n: number): void {
    if (n > this.elsewhere) this.#set(channel, n);
  }

  /** What a channel that comes to be has to take for evicted for everyone. */
  take(channel: string): number {
    const kept = this.#facts.get(channel) ?? 0;
    this.#delete(channel);
    return Math.max(kept, this.elsewhere);
  }

  *[Symbol.iterator](): IterableIterator<Eviction> {
    for (const [key, n] of this.#facts) yield evictionOf(key, n);
  }

  /** What it had evicted for everyone, of a channel that is not there. */
  kept(channel: string): number {
    return this.#facts.get(channel) ?? 0;
  }

  /**
   * What is known of all channels below the prefix with this stem; facts may come and go meanwhile. Gives undefined
   * now and then while it makes itself ready, which the first question of all takes a look at each fact for.
   */
  *below(stem: string): Generator<Eviction | undefined> {
    this.#below ??= new Below<string>();
    this.#unplaced ??= this.#facts.keys();
    for (const key of this.#unplaced) {
      this.#place(key, this.#below);
      yield undefined;
    }
    for (const key of this.#below.of(stem)) yield evictionOf(key, this.#facts.get(key)!);
  }

  #place(key: string, below: Below<string>): void {
    if (below.add(channelOf(key), key)) this.bytes += placesOf(key);
  }

  #set(key: string, n: number): void {
    const { newest } = this;
    this.newest = Math.max(newest, n);
    // The newest so far is newer than what is known of this one.
    if (n < newest && (this.#facts.get(key) ?? 0) >= n) return;
    if (!this.#facts.set(key, n)) return;
    this.#grew(key);
    if (this.bytes > this.#limitBytes) this.#giveWay();
  }

  #grew(key: string): void {
    this.bytes += sizeOf(key);
    if (this.#below !== undefined) this.#place(key, this.#below);
  }

  #delete(key: string): void {
    if (!this.#facts.delete(key)) return;
    this.bytes -= sizeOf(key);
    if (this.#below?.remove(channelOf(key), key)) this.bytes -= placesOf(key);
  }

  #giveWay(): void {
    const enough = this.#limitBytes * SHARE_LEFT;
    for (const [key, n] of this.#facts) {
      if (this.bytes <= enough) return;
      this.#delete(key);
      const channel = channelOf(key);
      if (!this.#gaveWay(channel, n)) this.elsewhere = Math.max(this.elsewhere, n);
    }
  }
}

const keyOf = (channel: string, user: string): string => `${channel}\n${user}`;

const channelOf = (key: string): string => key.split('\n', 1)[0]!;

function evictionOf(key: string, n: number): Eviction {
  const [channel, user] = key.split('\n') as [string, string | undefined];
  return [channel, user ?? null, n];
}

/** What its places below prefixes cost. */
const placesOf = (key: string): number => stemsOf(channelOf(key)).length * BELOW_OVERHEAD_BYTES;

// One byte a character is what nearly all names take.
const sizeOf = (key: string): number => key.length + NAME_OVERHEAD_BYTES;
