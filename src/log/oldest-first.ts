/**
 * Channels by the number of the oldest entry that each holds: a heap, so that with very many of them the
 * next to give way is found in some steps and not by a look at all. A number only grows while its channel
 * is here, so what stands beside a channel may be too small, and is put right when the channel is at the
 * top: an eviction costs nothing here. Each channel is in one heap at most.
 */
import type { ChannelLog } from './channel-log.ts';

/** Where a channel is that is in no heap. */
export const NOWHERE = -1;

export interface Placed {
  readonly log: ChannelLog;
  /** Its place in the one heap that it is in, which owns this; begins as `NOWHERE`. */
  heapAt: number;
}

export class OldestFirst<C extends Placed> {
  readonly #channels: C[] = [];
  readonly #numbers: number[] = [];

  /** A channel that holds something. */
  add(channel: C): void {
    this.#channels.push(channel);
    this.#numbers.push(channel.log.oldest!.n);
    this.#up(this.#channels.length - 1, channel);
  }

  /** A channel that is here; it may hold nothing by now. */
  remove(channel: C): void {
    const at = channel.heapAt;
    channel.heapAt = NOWHERE;
    const last = this.#channels.pop()!;
    const number = this.#numbers.pop()!;
    if (last === channel) return;
    this.#numbers[at] = number;
    this.#up(at, last);
    this.#down(last.heapAt, last);
  }

  /** The channel with the oldest of all entries; undefined when there are none. */
  first(): C | undefined {
    for (;;) {
      const channel = this.#channels[0];
      const n = channel?.log.oldest?.n;
      if (channel === undefined || n === undefined || n === this.#numbers[0]) return channel;
      this.#numbers[0] = n;
      this.#down(0, channel);
    }
  }

  #up(start: number, channel: C): void {
    const number = this.#numbers[start]!;
    let at = start;
    for (
      let above = (at - 1) >> 1;
      at > 0 && this.#numbers[above]! > number;
      above = (at - 1) >> 1
    ) {
      this.#put(at, this.#channels[above]!, this.#numbers[above]!);
      at = above;
    }
    this.#put(at, channel, number);
  }

  #down(start: number, channel: C): void {
    const numbers = this.#numbers;
    const number = numbers[start]!;
    let at = start;
    for (let below = 2 * at + 1; below < numbers.length; below = 2 * at + 1) {
      if (below + 1 < numbers.length && numbers[below + 1]! < numbers[below]!) below += 1;
      if (numbers[below]! >= number) break;
      this.#put(at, this.#channels[below]!, numbers[below]!);
      at = below;
    }
    this.#put(at, channel, number);
  }

  #put(at: number, channel: C, number: number): void {
    this.#channels[at] = channel;
    this.#numbers[at] = number;
    channel.heapAt = at;
  }
}
