/** Users and channels that somebody is on, over all threads, and what becomes of them as time passes. */
import type { Attendee, OnAttendance } from '../hub/attendance.ts';
import { Roster } from './roster.ts';

/** How often those that have been away for the grace are looked for, in milliseconds. */
const SETTLE_MS = 250;

export interface WhereaboutsOptions {
  /** How long one that left is away, in seconds. */
  readonly graceSeconds: number;
  /** A user or a channel has come, or has been away for the grace. */
  readonly onChange?: ((what: Attendee, name: string, isHere: boolean) => void) | undefined;
}

export class Whereabouts {
  readonly users: Roster;
  readonly channels: Roster;
  #timer: NodeJS.Timeout | undefined;

  constructor({ graceSeconds, onChange }: WhereaboutsOptions) {
    const rosterOf = (what: Attendee) =>
      new Roster({ graceSeconds, onChange: (name, isHere) => onChange?.(what, name, isHere) });
    this.users = rosterOf('user');
    this.channels = rosterOf('channel');
  }

  /** To be told of what each thread's hub tells. */
  readonly tell: OnAttendance = (what, name, isHere) => {
    const roster = what === 'user' ? this.users : this.channels;
    if (isHere) roster.entered(name);
    else roster.left(name);
  };

  start(): void {
    this.#timer = setInterval(() => this.settle(), SETTLE_MS).unref();
  }

  settle(): void {
    this.users.settle();
    this.channels.settle();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
