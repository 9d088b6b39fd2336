/**
 * Which nodes live: those whose heartbeat was heard of late. A node hears its own, too, and one that does
 * not is cut off: it takes nobody for dead then, and for complete nothing that it knows.
 */
import { flag, record, type Shape, text } from './shape.ts';

/** Time between two heartbeats of a node, in milliseconds. */
export const BEAT_MS = 2_000;

/** A node that was not heard for so long does not live, in milliseconds. */
export const SILENT_MS = 6_000;

/** Nodes that are known at most; further ones are not listened to. */
export const MAX_MEMBERS = 1_000;

export interface Beat {
  readonly node: string;
  /** It has just started, and asks who else is there. */
  readonly isNew: boolean;
  /** It leaves, and this is the last that is heard of it. */
  readonly isLast: boolean;
}

export const NODE_NAME: Shape<string> = text(16);

export const beatShape: Shape<Beat> = record<Beat>({
  node: NODE_NAME,
  isNew: flag,
  isLast: flag,
});

export class Members {
  readonly own: string;
  readonly #now: () => number;
  /** When each was heard. */
  readonly #heardAt = new Map<string, number>();
  /** When it began to hear itself, and so the others. */
  #connectedAt = 0;

  /** `now` is in milliseconds of a monotonic clock. */
  constructor(own: string, now: () => number = () => performance.now()) {
    this.own = own;
    this.#now = now;
  }

  /** A heartbeat was heard. */
  heard(beat: Beat): void {
    const { node, isLast } = beat;
    if (isLast) return void this.#heardAt.delete(node);
    const isOwn = node === this.own;
    if (!isOwn && !this.#heardAt.has(node) && this.#heardAt.size >= MAX_MEMBERS) return;
    if (isOwn && !this.isConnected) this.#connectedAt = this.#now();
    this.#heardAt.set(node, this.#now());
  }

  /** Forgets those that were not heard for too long, unless this node hears nothing itself, or did not until now. */
  #settle(): void {
    if (!this.isConnected || this.#now() - this.#connectedAt < SILENT_MS) return;
    const since = this.#now() - SILENT_MS;
    for (const [node, heardAt] of this.#heardAt) if (heardAt < since) this.#heardAt.delete(node);
  }

  /** Its own heartbeats come back to it. */
  get isConnected(): boolean {
    const heardAt = this.#heardAt.get(this.own);
    return heardAt !== undefined && this.#now() - heardAt < SILENT_MS;
  }

  /** The others that live. */
  get others(): readonly string[] {
    this.#settle();
    return [...this.#heardAt.keys()].filter((node) => node !== this.own);
  }
}
