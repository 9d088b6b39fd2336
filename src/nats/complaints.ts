/**
 * What NATS refuses this node, for the log. Refusals are tried again, since most go by themselves: one that
 * does not would otherwise be a silence that nobody can explain.
 */
import type { Logger } from '../logger.ts';

/** The same is said again after so long, in milliseconds. */
const AGAIN_MS = 60_000;

/** Kinds that are remembered at most; past it all of them are forgotten, and said again. */
const MAX_KINDS = 100;

export class Complaints {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** When it was said last, by kind. */
  readonly #said = new Map<string, number>();

  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** `reason`: in the words of NATS. */
  tell(reason: string): void {
    // Names come in quotes: the same refusal for another channel is the same.
    const kind = reason.replace(/".*/s, '');
    const now = this.#now();
    if (now - (this.#said.get(kind) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    if (this.#said.size >= MAX_KINDS) this.#said.clear();
    this.#said.set(kind, now);
    this.#logger.error(
      { reason },
      'NATS refuses what this node asks for, which tries again: see the permissions and limits of its user and account',
    );
  }
}
