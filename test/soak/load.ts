/** What is emitted meanwhile: mostly for one user, for a few, now and then for everyone; and readers that get stuck. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Emitter, Plan } from '../support/ledger-emitter.ts';
import type { Random } from '../support/prng.ts';
import type { Population } from './population.ts';
import { ownOf, SHARED } from './visitor.ts';

/** Rarer than heartbeats are due, so that those are seen too. */
const BROADCAST_EVERY_MS = 12_000;

const STUCK_EVERY_MS = 20_000;
/** Longer than an event is kept, shorter than a reader may stall. */
const STUCK_MS = 15_000;
/** More than the kernel takes for one that does not read. */
const STUCK_EVENTS = 200;
const STUCK_BYTES = 64_000;

const MOST_BYTES = 600;
const SEVERAL = 5;

export interface LoadOptions {
  readonly population: Population;
  readonly emitter: Emitter;
  readonly random: Random;
}

export class Load {
  stuckCount = 0;
  readonly #options: LoadOptions;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #broadcastAt = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  start(perSecond: number): void {
    const emitting = this.#options.emitter.run(() => this.#plan(), { count: Infinity, perSecond });
    this.#running = Promise.all([emitting, this.#getStuck()]);
  }

  async stop(): Promise<void> {
    this.#options.emitter.stop();
    this.#stop.abort();
    await this.#running;
  }

  #plan(): Plan {
    const { random, population } = this.#options;
    const size = 1 + random.below(MOST_BYTES);
    const now = performance.now();
    if (now - this.#broadcastAt > BROADCAST_EVERY_MS) {
      this.#broadcastAt = now;
      return { to: undefined, channels: [SHARED], size };
    }
    const anyone = random.pick(population.visitors).user;
    const kind = random.below(10);
    if (kind === 0) {
      const several = random.some(population.visitors, SEVERAL).map(({ user }) => user);
      return { to: several, channels: [SHARED], size };
    }
    const user = kind < 5 ? anyone : (population.anyPresent()?.user ?? anyone);
    return { to: [user], channels: [ownOf(user)], size };
  }

  async #getStuck(): Promise<void> {
    const { signal } = this.#stop;
    const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => {});
    while (!signal.aborted) {
      await pause(STUCK_EVERY_MS - STUCK_MS);
      if (!signal.aborted) await this.#stick(pause);
    }
  }

  async #stick(pause: (ms: number) => Promise<void>): Promise<void> {
    const { population, emitter } = this.#options;
    const visitor = population.anyPresent();
    if (visitor === undefined) return;
    this.stuckCount += 1;
    visitor.stick();
    const channels = [ownOf(visitor.user)];
    for (let i = 0; i < STUCK_EVENTS; i += 1)
      await emitter.emit({ to: [visitor.user], channels, size: STUCK_BYTES });
    await pause(STUCK_MS);
    visitor.unstick();
  }
}
