/**
 * Who is to be looked at when, in ticks of a clock: an idle member costs its place here and nothing
 * else until its tick has come.
 *
 *   tick   12   13   14 …  161  162
 *         {A}   {}  {B C}  {D}  {E F}
 *          ▲ take(12): A, who is put in again for its next tick, or not
 */

/** Length of a tick, in milliseconds: what is due at a moment happens at most about two of them later. */
export const TICK_MS = 100;

export const TICKS_PER_SECOND = 1_000 / TICK_MS;

/** Where a member is that is in no timetable. */
export const NEVER = -1;

/** Fits into a small integer for six years of a clock that begins with the process. */
export const tickOf = (seconds: number): number => Math.floor(seconds * TICKS_PER_SECOND);

/** First tick that begins at or after this second. */
export const tickAfter = (seconds: number): number => Math.ceil(seconds * TICKS_PER_SECOND);

export interface Timed {
  /** Tick of its place in the one timetable it may be in, which owns this; begins as `NEVER`. */
  dueAt: number;
}

export class Timetable<T extends Timed> {
  readonly #ticks = new Map<number, Set<T>>();
  /** Nobody is due before this tick. */
  #first = 0;
  /** Goes through those of the first tick. Starting over each time would pass by all that are gone. */
  #walk: IterableIterator<T> | undefined;
  #size = 0;
  /** Called when somebody is put in and nobody was there. */
  onFilled: () => void = () => {};

  get size(): number {
    return this.#size;
  }

  /** Puts a member in, or moves it, for this tick. */
  set(member: T, tick: number): void {
    const wasEmpty = this.#size === 0;
    this.remove(member);
    if (this.#size === 0 || tick < this.#first) this.#goTo(tick);
    const present = this.#ticks.get(tick);
    if (present === undefined) this.#ticks.set(tick, new Set([member]));
    else present.add(member);
    member.dueAt = tick;
    this.#size += 1;
    if (wasEmpty) this.onFilled();
  }

  /** As `set`, unless it is due before that already. */
  hasten(member: T, tick: number): void {
    if (member.dueAt === NEVER || tick < member.dueAt) this.set(member, tick);
  }

  remove(member: T): void {
    const members = this.#ticks.get(member.dueAt);
    if (members?.delete(member) !== true) return;
    if (members.size === 0) this.#ticks.delete(member.dueAt);
    if (members.size === 0 && member.dueAt === this.#first) this.#walk = undefined;
    member.dueAt = NEVER;
    this.#size -= 1;
  }

  /** Takes out one member that is due by this tick; undefined when there is none. */
  take(tick: number): T | undefined {
    for (; this.#first <= tick && this.#size > 0; this.#goTo(this.#first + 1)) {
      this.#walk ??= this.#ticks.get(this.#first)?.values();
      const step = this.#walk?.next();
      if (step?.done === false) {
        this.remove(step.value);
        return step.value;
      }
    }
    return undefined;
  }

  #goTo(tick: number): void {
    this.#first = tick;
    this.#walk = undefined;
  }
}
