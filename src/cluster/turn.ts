/**
 * Of all nodes that could tell the receiver of a change, one does. The others remember it for a while: when
 * the one that tells is gone nobody knows how far it came, and the next one tells it again.
 */
import type { OnAttendance } from '../hub/attendance.ts';

/** How long a change is remembered, in milliseconds: longer than it takes to see that a node is gone. */
export const REMEMBERED_MS = 15_000;

/** Changes that are remembered at most; of more the oldest are not told again. */
export const MAX_REMEMBERED = 100_000;

type Change = Parameters<OnAttendance>;

/** `nobodys`: this node has just started, and knows of no other. */
export type Whose = 'ours' | 'others' | 'nobodys';

export interface TurnOptions {
  /** Whose turn it is to tell. */
  readonly whose: () => Whose;
  /** `isAgain`: another node may have told it. */
  readonly tell: (change: Change, isAgain: boolean) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Turn {
  readonly #options: TurnOptions;
  readonly #now: () => number;
  /** When another node told, as far as is known, last. */
  #othersUntil = Number.NEGATIVE_INFINITY;
  readonly #remembered = new Set<{ readonly at: number; readonly change: Change }>();

  constructor(options: TurnOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  note(change: Change): void {
    // Before it is known whose turn it is: whoever tells now may have told this.
    const at = this.#now();
    if (this.settle()) return this.#options.tell(change, false);
    this.#remembered.add({ at, change });
    this.#forget();
  }

  /** To be called when nodes have come or gone. Whether it is our turn. */
  settle(): boolean {
    const whose = this.#options.whose();
    if (whose === 'others') this.#othersUntil = this.#now();
    if (whose !== 'ours') return false;
    this.#forget();
    const all = [...this.#remembered];
    this.#remembered.clear();
    for (const { at, change } of all) this.#options.tell(change, at <= this.#othersUntil);
    return true;
  }

  #forget(): void {
    const since = this.#now() - REMEMBERED_MS;
    for (const one of this.#remembered) {
      if (one.at > since && this.#remembered.size <= MAX_REMEMBERED) return;
      this.#remembered.delete(one);
    }
  }
}
