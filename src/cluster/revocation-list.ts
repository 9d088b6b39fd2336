/** Brings what the stream of revocations has into force on this node, and tells how far it is. */

import type { Revocation } from '../hub/revocations.ts';
import type { Kept, RevocationStream } from './revocation-stream.ts';
import { Misshapen } from './shape.ts';

/** Of so many revocations it is remembered how many streams each has ended here. */
const MAX_COUNTS = 1_000;

export interface RevocationListOptions {
  readonly stream: Pick<RevocationStream, 'state' | 'readAfter'>;
  /** In force in all threads from then on; how many streams it has ended. */
  readonly apply: (revocations: readonly Revocation[]) => Promise<number>;
  /** Unix seconds. */
  readonly now?: () => number;
}

export class RevocationList {
  /** Through this number all are in force. */
  through = 0;
  readonly #options: RevocationListOptions;
  readonly #now: () => number;
  readonly #ended = new Map<number, number>();
  #created = '';
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: RevocationListOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => Date.now() / 1_000);
  }

  /** Has all in force that are kept now. Rejects when NATS does not say which: it may be called again. */
  catchUp(): Promise<void> {
    if (this.#running === undefined) return this.#run();
    // The one that runs may have looked before the newest came.
    this.#next ??= this.#running.then(
      () => this.#run(),
      () => this.#run(),
    );
    return this.#next;
  }

  /** Has all through this number in force. How many streams that one has ended here. */
  async reach(n: number): Promise<number> {
    if (this.through < n) await this.catchUp();
    if (this.through < n) throw new Misshapen(`the stream of revocations has not reached ${n}`);
    return this.#ended.get(n) ?? 0;
  }

  #run(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#catchUp().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #catchUp(): Promise<void> {
    const { created, last } = await this.#options.stream.state();
    // Made anew: what was in force stays so until its time is over.
    if (created !== this.#created) this.through = 0;
    this.#created = created;
    if (last <= this.through) return;
    const kept = await this.#options.stream.readAfter(this.through);
    await this.#apply(kept.filter(({ revocation }) => revocation.until > this.#now()));
    this.through = Math.max(last, kept.at(-1)?.n ?? 0);
  }

  async #apply(kept: readonly Kept[]): Promise<void> {
    const newest = kept.slice(-MAX_COUNTS);
    const others = kept.slice(0, kept.length - newest.length);
    if (others.length > 0) await this.#options.apply(others.map(({ revocation }) => revocation));
    await Promise.all(
      newest.map(async ({ n, revocation }) => {
        this.#ended.set(n, await this.#options.apply([revocation]));
      }),
    );
    for (const n of this.#ended.keys()) {
      if (this.#ended.size <= MAX_COUNTS) break;
      this.#ended.delete(n);
    }
  }
}
