/** Users and channels that somebody is on, over all threads, and what becomes of them as time passes. */
import type { Attendee, OnAttendance } from '../hub/attendance.ts';
import { Roster } from './roster.ts';

/** Those that left within so many milliseconds of each other become offline together. */
const SETTLE_MS = 250;

export interface WhereaboutsOptions {
  /** How long one that left is away, in seconds. */
  readonly graceSeconds: number;
  /** A user or a channel has come, or has been away for the grace. */
  readonly onChange?: OnAttendance | undefined;
  /** A user or a channel has a stream, or has none any more. */
  readonly onMove?: OnAttendance | undefined;
}

export class Whereabouts {
  readonly users: Roster;
  readonly channels: Roster;
  readonly #graceSeconds: number;
  #isStarted = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ graceSeconds, onChange, onMove }: WhereaboutsOptions) {
    this.#graceSeconds = graceSeconds;
    const rosterOf = (what: Attendee) =>
      new Roster({
        graceSeconds,
        onChange: (name, isHere) => onChange?.(what, name, isHere),
        onMove: (name, isHere) => onMove?.(what, name, isHere),
      });
    this.users = rosterOf('user');
    this.channels = rosterOf('channel');
  }

  /** To be told of what each thread's hub tells. */
  readonly tell: OnAttendance = (what, name, isHere) => {
    const roster = what === 'user' ? this.users : this.channels;
    if (isHere) return roster.entered(name);
    roster.left(name);
    this.#arm();
  };

  start(): void {
    this.#isStarted = true;
    this.#arm();
  }

  settle(): void {
    this.users.settle();
    this.channels.settle();
  }

  stop(): void {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  // A server with nobody there sleeps.
  #arm(): void {
    if (!this.#isStarted || this.#timer !== undefined) return;
    const left = Math.min(this.users.firstLeftAt, this.channels.firstLeftAt);
    if (left === Number.POSITIVE_INFINITY) return;
    const ms = (left + this.#graceSeconds) * 1_000 - performance.now();
    this.#timer = setTimeout(this.#onTimer, Math.max(0, ms) + SETTLE_MS).unref();
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.settle();
    this.#arm();
  };
}
