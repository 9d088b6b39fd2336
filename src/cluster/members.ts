/**
 * Which nodes live: those whose heartbeat was heard of late. A node hears its own, too, and one that does
 * not is cut off: it takes nobody for dead then, and for complete nothing that it knows.
 */
import { count, flag, record, type Shape, text } from './shape.ts';

/** Time between two heartbeats of a node, in milliseconds. */
export const BEAT_MS = 2_000;

/** A node that was not heard for so long does not live, in milliseconds. */
export const SILENT_MS = 6_000;

/** Nodes that are known at most; further ones are not listened to. */
export const MAX_MEMBERS = 1_000;

export interface Beat {
  readonly node: string;
  /** Or since when it is back, in milliseconds since 1970. */
  readonly started: number;
  /** It may tell a receiver of webhooks. */
  readonly tells: boolean;
  /** Number of its newest bulletin. */
  readonly newest: number;
  /** It has just started, and asks who else is there. */
  readonly isNew: boolean;
  /** It leaves, and this is the last that is heard of it. */
  readonly isLast: boolean;
}

export const NODE_NAME: Shape<string> = text(16);

export const beatShape: Shape<Beat> = record<Beat>({
  node: NODE_NAME,
  started: count,
  tells: flag,
  newest: count,
  isNew: flag,
  isLast: flag,
});

interface Member {
  readonly beat: Beat;
  readonly heardAt: number;
}

export class Members {
  readonly own: string;
  /** Told when one has said farewell, or was lost. */
  onGone: (node: string, isLost: boolean) => void = () => {};
  readonly #now: () => number;
  readonly #members = new Map<string, Member>();
  /** When it began to hear itself, and so the others. */
  #connectedAt = 0;

  /** `now` is in milliseconds of a monotonic clock. */
  constructor(own: string, now: () => number = () => performance.now()) {
    this.own = own;
    this.#now = now;
  }

  /** A heartbeat was heard. False: it is one too many. */
  heard(beat: Beat): boolean {
    const { node } = beat;
    if (beat.isLast) {
      if (this.#members.delete(node)) this.onGone(node, false);
      return true;
    }
    const isOwn = node === this.own;
    if (!isOwn && !this.#members.has(node) && this.#members.size >= MAX_MEMBERS) return false;
    if (isOwn && !this.isConnected) this.#connectedAt = this.#now();
    this.#members.set(node, { beat, heardAt: this.#now() });
    return true;
  }

  /** Forgets those that were not heard for too long, unless this node hears nothing itself, or did not until now. */
  settle(): void {
    if (!this.isConnected || this.#now() - this.#connectedAt < SILENT_MS) return;
    const since = this.#now() - SILENT_MS;
    for (const [node, { heardAt }] of this.#members) {
      if (heardAt >= since) continue;
      this.#members.delete(node);
      this.onGone(node, true);
    }
  }

  /** The others may have lost it: it was not heard for most of the time that they give it. */
  get wasAway(): boolean {
    const own = this.#members.get(this.own);
    return own !== undefined && this.#now() - own.heardAt > SILENT_MS - BEAT_MS;
  }

  /** Its own heartbeats come back to it. */
  get isConnected(): boolean {
    const own = this.#members.get(this.own);
    return own !== undefined && this.#now() - own.heardAt < SILENT_MS;
  }

  /** The others that live. */
  get others(): readonly string[] {
    this.settle();
    return [...this.#members.keys()].filter((node) => node !== this.own);
  }

  has(node: string): boolean {
    return this.#members.has(node);
  }

  /** Of those that may tell a receiver, the one that does: the oldest. None while this node is cut off. */
  get teller(): string | undefined {
    if (!this.isConnected) return undefined;
    let oldest: Beat | undefined;
    for (const { beat } of this.#members.values())
      if (beat.tells && (oldest === undefined || isOlder(beat, oldest))) oldest = beat;
    return oldest?.node;
  }

  /** Whether any of them has a receiver. */
  get hasTeller(): boolean {
    for (const { beat } of this.#members.values()) if (beat.tells) return true;
    return false;
  }
}

const isOlder = (a: Beat, b: Beat): boolean =>
  a.started === b.started ? a.node < b.node : a.started < b.started;
