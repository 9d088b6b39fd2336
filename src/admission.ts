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

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #users: Counter;
  readonly #addresses: Counter;
  #count = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#users = new Counter(limits.streamsPerUser);
    this.#addresses = new Counter(limits.streamsPerAddress);
  }

  /** Counts a stream in, or says which limit it would pass, counting nothing. */
  enter(user: string, address: string): Refusal | undefined {
    if (this.#count >= this.#limits.streams) return 'streams';
    if (this.#users.isFull(user)) return 'streams-per-user';
    if (this.#addresses.isFull(address)) return 'streams-per-address';
    this.#count += 1;
    this.#users.add(user);
    this.#addresses.add(address);
    return undefined;
  }

  /** Counts out a stream that was let in. */
  leave(user: string, address: string): void {
    this.#count -= 1;
    this.#users.remove(user);
    this.#addresses.remove(address);
  }

  /** Addresses need not be kept with the streams when nobody counts them. */
  get countsAddresses(): boolean {
    return this.#limits.streamsPerAddress > 0;
  }
}

// Holds only names with something open, and nothing at all when there is no limit.
class Counter {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  isFull(name: string): boolean {
    return this.#limit > 0 && (this.#counts.get(name) ?? 0) >= this.#limit;
  }

  add(name: string): void {
    if (this.#limit > 0) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  remove(name: string): void {
    const count = this.#counts.get(name) ?? 0;
    if (count > 1) this.#counts.set(name, count - 1);
    else this.#counts.delete(name);
  }
}
