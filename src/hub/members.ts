/** Who is on a channel, by user: a channel that one user has costs no map, a user's only stream no set. */

/** What a channel has to know of a stream. */
export interface Member {
  readonly user: string;
}

/** Gives streams one by one, in pieces if wanted. */
export interface Walk<S> {
  next(): S | undefined;
}

type UserStreams<S> = S | Set<S>;

export class Members<S extends Member> {
  // A map from the second user on, and then until nobody is left.
  #users: Map<string, UserStreams<S>> | UserStreams<S> | undefined;

  add(stream: S): void {
    const { user } = stream;
    const present = this.#of(user);
    if (present instanceof Set) present.add(stream);
    else this.#set(user, present === undefined ? stream : new Set([present, stream]));
  }

  /** False when it was not here. */
  remove(stream: S): boolean {
    const present = this.#of(stream.user);
    if (present === stream) this.#delete(stream.user);
    else if (!(present instanceof Set) || !present.delete(stream)) return false;
    else if (present.size === 0) this.#delete(stream.user);
    return true;
  }

  /** The streams of one user, none when there are none. */
  of(user: string): Iterable<S> {
    const present = this.#of(user);
    if (present === undefined) return [];
    return present instanceof Set ? present : [present];
  }

  /** How many streams a user has here. */
  countOf(user: string): number {
    const present = this.#of(user);
    return present instanceof Set ? present.size : Number(present !== undefined);
  }

  /** All streams, one by one; they may come and go meanwhile. */
  walk(): Walk<S> {
    const users = this.#users;
    if (users === undefined) return new MembersWalk<S>([].values());
    return new MembersWalk<S>(users instanceof Map ? users.values() : [users].values());
  }

  #of(user: string): UserStreams<S> | undefined {
    const users = this.#users;
    if (users instanceof Map) return users.get(user);
    return users !== undefined && userOf(users) === user ? users : undefined;
  }

  #set(user: string, streams: UserStreams<S>): void {
    const users = this.#users;
    if (users instanceof Map) users.set(user, streams);
    else if (users === undefined || userOf(users) === user) this.#users = streams;
    else this.#users = new Map([[userOf(users), users]]).set(user, streams);
  }

  #delete(user: string): void {
    const users = this.#users;
    if (users instanceof Map) users.delete(user);
    if (!(users instanceof Map) || users.size === 0) this.#users = undefined;
  }
}

// No set is empty here.
const userOf = <S extends Member>(streams: UserStreams<S>): string =>
  streams instanceof Set ? streams.values().next().value!.user : streams.user;

class MembersWalk<S extends Member> implements Walk<S> {
  readonly #users: IterableIterator<UserStreams<S>>;
  #several: IterableIterator<S> | undefined;

  constructor(users: IterableIterator<UserStreams<S>>) {
    this.#users = users;
  }

  next(): S | undefined {
    for (;;) {
      if (this.#several !== undefined) {
        const step = this.#several.next();
        if (step.done !== true) return step.value;
        this.#several = undefined;
      }
      const step = this.#users.next();
      if (step.done === true) return undefined;
      if (!(step.value instanceof Set)) return step.value;
      this.#several = step.value.values();
    }
  }
}
