/** Prefixes that are being filled, one after the other and in slices, and who waits for it. */
import { type Channel, isUnfilledAfter } from './channel.ts';
import { type Below, filling } from './filling.ts';
import { Slices } from './slices.ts';
import type { Stream } from './stream.ts';

type Channels = readonly Channel<Stream>[];

interface Waiting {
  readonly channels: Channels;
  /** They are to have what lies behind this number. */
  readonly after: number;
  readonly done: () => void;
}

export interface FillsOptions extends Below {
  /** Is told that a prefix has all that it lacked. */
  readonly filled: (prefix: Channel<Stream>) => void;
  /** Is told of channels that nobody here needs any more. */
  readonly released: (channel: Channel<Stream>) => void;
}

export class Fills {
  readonly #options: FillsOptions;
  readonly #slices = new Slices(() => this.#step());
  /** The first is being filled. */
  readonly #queue = new Set<Channel<Stream>>();
  #work: Generator<void> | undefined;
  #waiting: Waiting[] = [];
  readonly #ready: Waiting[] = [];

  constructor(options: FillsOptions) {
    this.#options = options;
  }

  /**
   * Fills what lacks something behind number `after`. True when nothing lacks any more: of few entries that is
   * so at once, for as many as one slice takes.
   */
  begin(channels: Channels, after: number): boolean {
    this.#enqueue(channels, after);
    this.#slices.run();
    return !isUnfilledAfter(channels, after);
  }

  /** The same; calls `done` when nothing lacks any more, and keeps all of them until then. */
  whenFilled(waiting: Waiting): void {
    for (const channel of waiting.channels) channel.holders += 1;
    this.#waiting.push(waiting);
    this.begin(waiting.channels, waiting.after);
  }

  /** All at once, while nobody is there who could wait; then calls `done`, before it lets go of any. */
  fillNow(channels: Channels, done: () => void): void {
    for (const channel of channels) channel.holders += 1;
    this.#enqueue(channels, 0);
    while (this.#step());
    done();
    for (const channel of channels) this.#release(channel);
  }

  #enqueue(channels: Channels, after: number): void {
    for (const channel of channels) {
      if (channel.unfilledThrough <= after || this.#queue.has(channel)) continue;
      channel.holders += 1;
      this.#queue.add(channel);
    }
  }

  #step(): boolean {
    const ready = this.#ready.pop();
    if (ready !== undefined) {
      ready.done();
      for (const channel of ready.channels) this.#release(channel);
      return true;
    }
    const [prefix] = this.#queue;
    if (prefix === undefined) return false;
    this.#work ??= filling(prefix, this.#options);
    if (this.#work.next().done === true) this.#filled(prefix);
    return true;
  }

  #filled(prefix: Channel<Stream>): void {
    this.#work = undefined;
    this.#queue.delete(prefix);
    prefix.unfilledThrough = 0;
    this.#options.filled(prefix);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting)
      (isUnfilledAfter(one.channels, one.after) ? this.#waiting : this.#ready).push(one);
    this.#release(prefix);
  }

  #release(channel: Channel<Stream>): void {
    channel.holders -= 1;
    this.#options.released(channel);
  }
}
