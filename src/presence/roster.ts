/**
 * Who is online, over all threads. Whoever leaves is away for the grace, and offline only then: a page
 * that reconnects has told nobody anything.
 *
 *   entered ──▶ online ──left──▶ away ──grace──▶ offline
 *                  ▲               │
 *                  └───entered─────┘   nothing told
 */

export type Presence = 'online' | 'away' | 'offline';

/** Names that are away at most; past it those who left first count as offline early. */
export const MAX_AWAY = 1_000_000;

export interface RosterOptions {
  /** How long one that left is away, in seconds. */
  readonly graceSeconds: number;
  /** Somebody came who was offline, or has become offline. */
  readonly onChange?: (name: string, isHere: boolean) => void;
  /** Somebody is online, or is no more: away, or come back. */
  readonly onMove?: (name: string, isOnline: boolean) => void;
  readonly maxAway?: number;
  /** Seconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #now: () => number;
  readonly #maxAway: number;
  /** In how many threads each is. */
  readonly #online = new Map<string, number>();
  /** When each left; the first to have left is the first here. */
  readonly #away = new Map<string, number>();

  constructor(options: RosterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now() / 1_000);
    this.#maxAway = options.maxAway ?? MAX_AWAY;
  }

  /** The first stream of this name in a thread has come. */
  entered(name: string): void {
    const count = this.#online.get(name) ?? 0;
    this.#online.set(name, count + 1);
    if (count > 0) return;
    this.#options.onMove?.(name, true);
    this.settle();
    if (!this.#away.delete(name)) this.#options.onChange?.(name, true);
  }

  /** The last stream of this name in a thread has gone. */
  left(name: string): void {
    const count = this.#online.get(name) ?? 0;
    if (count > 1) return void this.#online.set(name, count - 1);
    if (!this.#online.delete(name)) return;
    this.#options.onMove?.(name, false);
    this.#away.set(name, this.#now());
    this.settle();
  }

  stateOf(name: string): Presence {
    if (this.#online.has(name)) return 'online';
    if (this.#away.size === 0) return 'offline';
    this.settle();
    return this.#away.has(name) ? 'away' : 'offline';
  }

  /** All who are online. */
  get online(): string[] {
    return [...this.#online.keys()];
  }

  /** Names that are online. */
  get onlineCount(): number {
    return this.#online.size;
  }

  /** Names that are away. */
  get awayCount(): number {
    this.settle();
    return this.#away.size;
  }

  /** When the first of those who are away left, in seconds of the clock; Infinity when nobody is. */
  get firstLeftAt(): number {
    for (const leftAt of this.#away.values()) return leftAt;
    return Number.POSITIVE_INFINITY;
  }

  /** When it left, in seconds of the clock; undefined unless it is away. */
  leftAt(name: string): number | undefined {
    return this.#away.get(name);
  }

  /** Whoever has been away for the grace is offline. To be called every second when changes are to be told in time. */
  settle(): void {
    const through = this.#now() - this.#options.graceSeconds;
    for (const [name, leftAt] of this.#away) {
      if (leftAt > through && this.#away.size <= this.#maxAway) return;
      this.#away.delete(name);
      this.#options.onChange?.(name, false);
    }
  }
}
