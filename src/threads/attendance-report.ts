/** Who comes and goes in a thread, as the main thread is told: all of a turn of the loop at once. */
import type { OnAttendance } from '../hub/attendance.ts';
import type { AttendanceChange } from './messages.ts';

export class AttendanceReport {
  readonly #send: (changes: readonly AttendanceChange[]) => void;
  #changes: AttendanceChange[] = [];

  constructor(send: (changes: readonly AttendanceChange[]) => void) {
    this.#send = send;
  }

  /** For a hub. */
  readonly note: OnAttendance = (...change) => {
    if (this.#changes.length === 0) setImmediate(() => this.tell());
    this.#changes.push(change);
  };

  /** Tells what there is to be told. */
  tell(): void {
    if (this.#changes.length === 0) return;
    this.#send(this.#changes);
    this.#changes = [];
  }
}
