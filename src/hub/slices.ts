/** Work for many at once, done in slices, so that accepts, emits and deliveries get their turn. */
import { SLICE_MS } from './flusher.ts';

export class Slices {
  readonly #step: () => boolean;
  #isRunning = false;

  /** `step` does one piece of the work, and returns false when there is none. */
  constructor(step: () => boolean) {
    this.#step = step;
  }

  /** Does what there is to do: the first slice now, each other in a turn of the event loop of its own. */
  run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#slice();
  }

  readonly #slice = (): void => {
    const end = performance.now() + SLICE_MS;
    do {
      if (this.#step()) continue;
      this.#isRunning = false;
      return;
    } while (performance.now() < end);
    setImmediate(this.#slice);
  };
}
