/**
 * What is no longer retained: on which channel, for whom, through which number. It is what makes a
 * notice of a gap true, so it is exact, for each user and each channel. It is bounded in bytes: the
 * oldest facts give way, and from then on a channel whose facts are gone counts as if what was
 * evicted had been meant for everyone.
 */

import { BELOW_OVERHEAD_BYTES, Below } from './below.ts';
import { FreshMap, GROUP_OVERHEAD_BYTES, NAME_OVERHEAD_BYTES, type Place } from './fresh-map.ts';
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
  // By channel and user, or null for everyone; oldest fact first.
  readonly #facts = new FreshMap();
  /** The same by prefix, from the first question about one on. */
  #below: Below<Place> | undefined;
  /** Facts that were here before it and are not in it yet. */
  #unplaced: Generator<Place> | undefined;
  #bytes = 0;
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

  /** Of all facts. */
  get bytes(): number {
    return this.#bytes + this.#facts.groupCount * GROUP_OVERHEAD_BYTES;
  }

  /** An entry for this user is gone. */
  addFor(channel: string, user: string, n: number): void {
    this.#set(channel, user, n);
  }

  /** The newest number evicted for this user; 0 when there is none. */
  for(channel: string, user: string): number {
    return this.#facts.size === 0 ? 0 : (this.#facts.get(channel, user)?.n ?? 0);
  }

  /** A channel is forgotten: what it had evicted for everyone is kept here meanwhile. */
  keep(channel: string, n: number): void {
    if (n > this.elsewhere) this.#set(channel, null, n);
  }

  /** What a channel that comes to be has to take for evicted for everyone. */
  take(channel: string): number {
    const kept = this.kept(channel);
    this.#delete(channel, null);
    return Math.max(kept, this.elsewhere);
  }

  *[Symbol.iterator](): IterableIterator<Eviction> {
    for (const fact of this.#facts) yield evictionOf(fact);
  }

  /** What it had evicted for everyone, of a channel that is not there. */
  kept(channel: string): number {
    return this.#facts.get(channel, null)?.n ?? 0;
  }

  /**
   * What is known of all channels below the prefix with this stem; facts may come and go meanwhile. Gives undefined
   * now and then while it makes itself ready, which the first question of all takes a look at each fact for.
   */
  *below(stem: string): Generator<Eviction | undefined> {
    this.#below ??= new Below<Place>();
    this.#unplaced ??= this.#facts.inAnyOrder();
    for (const fact of this.#unplaced) {
      this.#place(fact, this.#below);
      yield undefined;
    }
    for (const fact of this.#below.of(stem)) yield evictionOf(fact);
  }

  #place(fact: Place, below: Below<Place>): void {
    if (below.add(fact.first, fact)) this.#bytes += placesOf(fact);
  }

  #set(channel: string, user: string | null, n: number): void {
    const { newest } = this;
    this.newest = Math.max(newest, n);
    // The newest so far is newer than what is known of this one.
    if (n < newest && (this.#facts.get(channel, user)?.n ?? 0) >= n) return;
    const fact = this.#facts.set(channel, user, n);
    if (fact === undefined) return;
    this.#grew(fact);
    if (this.bytes > this.#limitBytes) this.#giveWay();
  }

  #grew(fact: Place): void {
    this.#bytes += sizeOf(fact);
    if (this.#below !== undefined) this.#place(fact, this.#below);
  }

  #delete(channel: string, user: string | null): void {
    const fact = this.#facts.delete(channel, user);
    if (fact === undefined) return;
    this.#bytes -= sizeOf(fact);
    if (this.#below?.remove(channel, fact)) this.#bytes -= placesOf(fact);
  }

  #giveWay(): void {
    const enough = this.#limitBytes * SHARE_LEFT;
    for (const { first: channel, second: user, n } of this.#facts) {
      if (this.bytes <= enough) return;
      this.#delete(channel, user);
      if (!this.#gaveWay(channel, n)) this.elsewhere = Math.max(this.elsewhere, n);
    }
  }
}

const evictionOf = ({ first, second, n }: Place): Eviction => [first, second, n];

/** What its places below prefixes cost. */
const placesOf = ({ first }: Place): number => stemsOf(first).length * BELOW_OVERHEAD_BYTES;

// One byte a character is what nearly all names take.
const sizeOf = ({ first, second }: Place): number =>
  first.length + (second?.length ?? 0) + NAME_OVERHEAD_BYTES;
