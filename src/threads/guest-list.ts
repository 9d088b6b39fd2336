/** The places of the streams of all threads, by user and address, where these are limited. */
import { Admission, type AdmissionLimits, type Owner, type Refusal } from '../public/admission.ts';
import type { Guest } from '../public/guests.ts';

/** Whose stream is to end. */
export interface Place extends Owner {
  readonly guest: Guest;
  readonly thread: number;
}

export interface Entry {
  readonly entry: Guest | Refusal;
  readonly evicted: readonly Place[];
}

export interface GuestListOptions {
  readonly limits: AdmissionLimits;
  /** A user or address that is full gets its newest stream in for its oldest. */
  readonly replacesOldest: boolean;
}

export class GuestList {
  readonly #options: GuestListOptions;
  readonly #admission: Admission<Place>;
  readonly #places = new Map<Guest, Place>();
  #lastGuest = 0;

  constructor(options: GuestListOptions) {
    this.#options = options;
    // All streams together are counted where they open.
    this.#admission = new Admission({ ...options.limits, streams: Number.POSITIVE_INFINITY });
  }

  /**
   * Takes a place for a stream in this thread, or says which limit is in the way. `evicted`: who had to
   * give theirs for it.
   */
  enter(thread: number, { user, address }: Owner): Entry {
    const evicted: Place[] = [];
    const refusal = this.#admit({ user, address }, evicted);
    if (refusal !== undefined) return { entry: refusal, evicted };
    this.#lastGuest += 1;
    const place = { user, address, thread, guest: this.#lastGuest };
    this.#places.set(place.guest, place);
    this.#admission.enter(place);
    return { entry: place.guest, evicted };
  }

  /** The place was not given to another since. */
  has(guest: Guest): boolean {
    return this.#places.has(guest);
  }

  /** The place is free, if it was not given to another before. */
  left(guest: Guest): void {
    const place = this.#places.get(guest);
    if (place !== undefined) this.#free(place);
  }

  // Once for the user and once for the address at most.
  #admit(owner: Owner, evicted: Place[]): Refusal | undefined {
    let refusal = this.#admission.refusal(owner);
    for (let i = 0; i < 2 && refusal !== undefined && this.#options.replacesOldest; i += 1) {
      const oldest = this.#admission.oldest(owner, refusal);
      if (oldest === undefined) break;
      this.#free(oldest);
      evicted.push(oldest);
      refusal = this.#admission.refusal(owner);
    }
    return refusal;
  }

  #free(place: Place): void {
    this.#places.delete(place.guest);
    this.#admission.leave(place);
  }
}
