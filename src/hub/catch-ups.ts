/** How long streams that come back behind the others need until they are level with them. */
import { Histogram } from './histogram.ts';
import type { Stream } from './stream.ts';

export class CatchUps {
  readonly times = new Histogram();
  readonly #now: () => number;
  /** Those that are not level yet, since which second. */
  readonly #since = new Map<Stream, number>();

  /** `now` is in seconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many are under way. */
  get size(): number {
    return this.#since.size;
  }

  begin(stream: Stream): void {
    this.#since.set(stream, this.#now());
  }

  /** A stream has had what the others have had. */
  done(stream: Stream): void {
    const since = this.#since.get(stream);
    if (since === undefined) return;
    this.#since.delete(stream);
    this.times.add(this.#now() - since);
  }

  /** A stream is over. */
  forget(stream: Stream): void {
    this.#since.delete(stream);
  }
}
