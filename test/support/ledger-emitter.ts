/** Emits at a pace, and writes down what became of each emit. */
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Emitted } from './ledger.ts';
import type { Way } from './ledger-post.ts';
import type { Random } from './prng.ts';
import { eventually } from './wait.ts';

const TICK_MS = 5;

export interface Plan {
  /** User names, or undefined for everyone. */
  readonly to: readonly string[] | undefined;
  readonly channels: readonly string[];
  /** Of its text, about. */
  readonly size: number;
}

export class Emitter {
  readonly emitted: Emitted[] = [];
  acked = 0;
  readonly #way: Way;
  readonly #random: Random;
  #seq = 0;
  #inFlight = 0;
  #isStopped = false;

  constructor(way: Way, random: Random) {
    this.#way = way;
    this.#random = random;
  }

  /** Emits until `count` more are acknowledged, or `stop`; slower than `perSecond` where need be. */
  async run(plan: () => Plan, { count, perSecond }: { count: number; perSecond: number }) {
    this.#isStopped = false;
    const goal = this.acked + count;
    let due = 0;
    let last = performance.now();
    while (!this.#isStopped && this.acked < goal) {
      const now = performance.now();
      due = Math.min(due + ((now - last) * perSecond) / 1000, perSecond);
      last = now;
      for (; due >= 1 && this.#inFlight < this.#way.most && this.acked < goal; due -= 1)
        void this.emit(plan());
      await delay(TICK_MS);
    }
    await eventually(() => this.#inFlight === 0, { withinMs: 30_000, what: 'answers to emits' });
  }

  stop(): void {
    this.#isStopped = true;
  }

  close(): void {
    this.stop();
    this.#way.close();
  }

  /** Emits once, and writes it down. */
  async emit({ to, channels, size }: Plan): Promise<Emitted> {
    this.#seq += 1;
    const seq = this.#seq;
    const text = this.#text(seq, size);
    const form = new URLSearchParams({ payload: `data: ${text.replaceAll('\n', '\ndata: ')}` });
    for (const user of to ?? ['*']) form.append('userId', user);
    for (const channel of channels) form.append('channel', channel);
    this.#inFlight += 1;
    const { outcome, id, streams } = await this.#way.send(form.toString());
    this.#inFlight -= 1;
    if (outcome === 'acked') this.acked += 1;
    const emitted = { seq, to, channels, crc: crc32(text), outcome, id, streams };
    this.emitted.push(emitted);
    return emitted;
  }

  /** Emits until one is acknowledged, and returns its id. */
  async mark(channels: readonly string[]): Promise<string> {
    const id = await eventually(
      async () => {
        const one = await this.emit({ to: undefined, channels, size: 20 });
        return one.id;
      },
      { withinMs: 20_000, what: 'an acknowledged emit' },
    );
    return id!;
  }

  // Several lines, and characters of one to four bytes, so that cuts fall inside both.
  #text(seq: number, size: number): string {
    const filler = this.#random.pick(['x', 'é', '世', '🌍', 'ab\n', ' y']);
    return `${seq} ${filler.repeat(Math.ceil(size / Buffer.byteLength(filler)))}.`;
  }
}
