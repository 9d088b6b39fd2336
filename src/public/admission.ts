import { Tally } from '../tally.ts';

/** Limits on how many streams may be open: in the process, per user, per address. */

export interface AdmissionLimits {
  readonly streams: number;
  /** 0: no limit. */
  readonly streamsPerUser: number;
  /** 0: no limit. */
  readonly streamsPerAddress: number;
}

/** Which limit refuses a stream. */
export type Refusal = 'streams' | 'streams-per-user' | 'streams-per-address';

/** Whom a stream counts for. */
export interface Owner {
  readonly user: string;
  /** Of one client; empty when addresses are not counted. */
  readonly address: string;
}

export class Admission<T extends Owner> {
  readonly #limits: AdmissionLimits;
  readonly #users: Places<T>;
  readonly #addresses: Places<T>;
  readonly #count: Tally;

  /** `count`: of all streams, in other threads as well. */
  constructor(limits: AdmissionLimits, count = new Tally()) {
    this.#limits = limits;
    this.#count = count;
    this.#users = new Places(limits.streamsPerUser);
    this.#addresses = new Places(limits.streamsPerAddress);
  }

  /** Which limit one more stream would pass; the owner's own ones first. Of all streams it has its place already when none would. */
  refusal({ user, address }: Owner): Refusal | undefined {
    if (this.#users.isFull(user)) return 'streams-per-user';
    if (this.#addresses.isFull(address)) return 'streams-per-address';
    return this.#count.take(this.#limits.streams) ? undefined : 'streams';
  }

  /** The stream that has been open longest among those that fill the owner's user or address. */
  oldest({ user, address }: Owner, refusal: Refusal): T | undefined {
    if (refusal === 'streams-per-user') return this.#users.oldest(user);
    return refusal === 'streams-per-address' ? this.#addresses.oldest(address) : undefined;
  }

  /** Counts a stream in that was not refused. */
  enter(stream: T): void {
    this.#users.add(stream.user, stream);
    this.#addresses.add(stream.address, stream);
  }

  /** Counts out a stream that was counted in. */
  leave(stream: T): void {
    this.#count.add(-1);
    this.#users.remove(stream.user, stream);
    this.#addresses.remove(stream.address, stream);
  }
}

// Holds only names with something open, and nothing at all when there is no limit. Most have one
// stream, for which a set would take more memory than the stream.
class Places<T extends Owner> {
  readonly #limit: number;
  /** Oldest first. */
  readonly #streams = new Map<string, T | Set<T>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  isFull(name: string): boolean {
    if (this.#limit === 0) return false;
    const present = this.#streams.get(name);
    const count = present instanceof Set ? present.size : Number(present !== undefined);
    return count >= this.#limit;
  }

  oldest(name: string): T | undefined {
    const present = this.#streams.get(name);
    return present instanceof Set ? present.values().next().value : present;
  }

  add(name: string, stream: T): void {
    if (this.#limit === 0) return;
    const present = this.#streams.get(name);
    if (present === undefined) this.#streams.set(name, stream);
    else if (present instanceof Set) present.add(stream);
    else this.#streams.set(name, new Set([present, stream]));
  }

  remove(name: string, stream: T): void {
    const present = this.#streams.get(name);
    if (present === stream) this.#streams.delete(name);
    else if (present instanceof Set && present.delete(stream) && present.size === 0)
      this.#streams.delete(name);
  }
}
