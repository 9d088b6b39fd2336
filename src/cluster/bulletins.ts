/**
 * Tells the nodes that tell a receiver who comes to this node and who goes. Bulletins have numbers without
 * holes, and heartbeats the newest of them: a node that has missed one asks for all who are here.
 */

import { MAX_NAME_BYTES } from '../auth/names.ts';
import type { Attendee } from '../hub/attendance.ts';
import { NODE_NAME } from './members.ts';
import { count, flag, listOf, oneOf, record, type Shape, text } from './shape.ts';

/** How long a change waits for others, in milliseconds. */
const GATHER_MS = 100;

/** Changes in one bulletin at most. */
export const MAX_CHANGES = 500;

export interface Change {
  readonly what: Attendee;
  readonly name: string;
  readonly isHere: boolean;
}

export interface Bulletin {
  readonly node: string;
  readonly n: number;
  readonly changes: readonly Change[];
}

export const bulletinShape: Shape<Bulletin> = record<Bulletin>({
  node: NODE_NAME,
  n: count,
  changes: listOf(
    record<Change>({ what: oneOf('user', 'channel'), name: text(MAX_NAME_BYTES), isHere: flag }),
    MAX_CHANGES,
  ),
});

export class Bulletins {
  /** Number of the newest. */
  newest = 0;
  readonly #node: string;
  readonly #send: (bulletin: Bulletin) => void;
  #waiting: Change[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `send` may lose one. */
  constructor(node: string, send: (bulletin: Bulletin) => void) {
    this.#node = node;
    this.#send = send;
  }

  note(change: Change): void {
    this.#waiting.push(change);
    if (this.#waiting.length >= MAX_CHANGES) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS).unref();
  }

  /** Sends what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.newest += 1;
    this.#send({ node: this.#node, n: this.newest, changes: this.#waiting });
    this.#waiting = [];
  }
}
