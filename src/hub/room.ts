/** Which entries may go from the logs, and when: for an entry to come, for number, and for bytes. */

import { eventTooLarge, memoryFull } from '../errors.ts';
import { type EntrySize, mostBytes } from '../log/entry.ts';
import type { Channel } from './channel.ts';
import type { ChannelIndex } from './channel-index.ts';
import type { Flow } from './flow.ts';
import type { Flusher } from './flusher.ts';
import type { Stream } from './stream.ts';

export interface RoomOptions {
  readonly index: ChannelIndex;
  readonly flusher: Flusher;
  readonly flow: Flow;
  /** Without any history the logs still hold what Blocked streams have to get. */
  readonly keepsOnlyNeeded: boolean;
  /** What goes from here lies deeper as well: nothing is admitted, what is over the budget goes as soon as it may. */
  readonly hasDeeperLog: boolean;
}

export class Room {
  readonly #options: RoomOptions;
  readonly #untrimmed: Channel<Stream>[] = [];

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /**
   * Makes room for an entry. Evicts for it, and closes readers stuck inside a frame, only when it
   * will fit then.
   * @throws TidingsError `EVENT_TOO_LARGE` or `MEMORY_FULL`, having changed nothing
   */
  admit({ byteLength, to, channels }: EntrySize): void {
    const { index } = this.#options;
    const needed = mostBytes({ byteLength, to, channels: index.reached(channels) });
    const { retention } = index;
    if (needed > retention.budgetBytes) throw eventTooLarge();
    if (retention.bytes + needed <= retention.budgetBytes) return;
    if (!this.#make(needed)) throw memoryFull();
  }

  /** An entry has come into the log of this channel. */
  touched(channel: Channel<Stream>): void {
    if (channel.isUntrimmed) return;
    channel.isUntrimmed = true;
    this.#untrimmed.push(channel);
  }

  /** Entries were appended. */
  appended(): void {
    if (this.#options.hasDeeperLog) this.#make(0);
    if (!this.#options.flusher.isDue) this.#trim();
  }

  /** Everything due has been written. */
  flushed(): void {
    if (this.#options.hasDeeperLog) this.#make(0);
    this.#trim();
  }

  /** Entries may be evicted for number up to here. */
  get through(): number {
    const { flusher, flow, keepsOnlyNeeded } = this.#options;
    const { flushedThrough } = flusher;
    return keepsOnlyNeeded ? flow.leastPosition(flushedThrough) : flushedThrough;
  }

  #make(needed: number): boolean {
    const { index, flusher, flow } = this.#options;
    if (flusher.pendingBytes + needed > index.retention.budgetBytes) return false;
    while (!index.retention.makeRoom(needed, flusher.flushedThrough))
      if (!flow.closeLongestStuck()) return false;
    return true;
  }

  #trim(): void {
    const { index } = this.#options;
    const { through } = this;
    // Taken one by one: a list that is emptied at once gives up its memory, for every emit.
    for (let channel = this.#untrimmed.pop(); channel; channel = this.#untrimmed.pop()) {
      channel.isUntrimmed = false;
      index.retention.trim(channel, through);
      index.forgetUnused(channel);
    }
  }
}
