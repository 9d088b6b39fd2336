/** Numbers whose entries come into none of a hub's logs: they are gone for good, or lie deeper only. */
import type { ChannelIndex } from './channel-index.ts';
import type { Flusher } from './flusher.ts';
import type { Positions } from './positions.ts';

export class Elsewhere {
  readonly #index: ChannelIndex;
  readonly #positions: Positions;
  readonly #flusher: Flusher;

  constructor(index: ChannelIndex, positions: Positions, flusher: Flusher) {
    this.#index = index;
    this.#positions = positions;
    this.#flusher = flusher;
  }

  /** What has not come yet through this number is gone for good: streams are told, if they were behind. */
  lost(through: number): void {
    const first = this.#flusher.head + 1;
    this.#index.lost(through);
    this.#advance(through);
    for (const channel of this.#index.channels.values())
      if (channel.streamCount > 0) this.#flusher.mark(channel, first);
  }

  /** Nobody here is on these channels, nor on a prefix above them. */
  isQuiet(channels: readonly string[]): boolean {
    return this.#index.isQuiet(channels);
  }

  /**
   * Entries through number `n` for channels that are quiet are in the deeper log alone, where a stream asks that comes for
   * them later. All that came before them has been appended.
   */
  pass(channels: readonly string[], n: number): void {
    for (const name of this.#index.reached(channels)) this.#index.passed(name, n);
    if (n > this.#flusher.head) this.#advance(n);
  }

  #advance(through: number): void {
    this.#positions.reached(through);
    this.#flusher.advance(through, 0);
  }
}
