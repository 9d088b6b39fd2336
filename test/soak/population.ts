/** Many users, of whom so many are there at a time: some come back soon, some long after, some never. */
import type { Random } from '../support/prng.ts';
import { eventually } from '../support/wait.ts';
import { Visitor, type VisitorOptions } from './visitor.ts';

const TICK_MS = 50;

/** Streams opened in one tick, at most. */
const OPENED_PER_TICK = 20;

/** Of those who left, so many may be the next to come back. */
const RECENT = 400;

export interface PopulationOptions extends Pick<VisitorOptions, 'url' | 'tokenSeconds' | 'worst'> {
  readonly users: number;
  readonly present: number;
  /** Mean, in milliseconds. */
  readonly lifeMs: number;
  readonly random: Random;
}

export class Population {
  readonly visitors: readonly Visitor[];
  /** Longest that this process itself kept everyone waiting, in milliseconds. */
  ownLagMs = 0;
  readonly #options: PopulationOptions;
  readonly #recent: Visitor[] = [];
  #present = 0;
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = performance.now();

  constructor(options: PopulationOptions) {
    this.#options = options;
    const { url, tokenSeconds, worst, random, lifeMs } = options;
    const rest = {
      ...{ url, tokenSeconds, worst },
      lifeMs: () => -Math.log(1 - random.next()) * lifeMs,
      left: (visitor: Visitor) => this.#left(visitor),
    };
    this.visitors = Array.from(
      { length: options.users },
      (_, i) => new Visitor({ user: `u${i}`, ...rest }),
    );
  }

  get isFull(): boolean {
    return this.#present >= this.#options.present;
  }

  start(): void {
    this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Nobody comes any more, and nobody leaves but those whose token ends. */
  settle(): void {
    clearInterval(this.#timer);
    for (const visitor of this.visitors) {
      if (visitor.isStuck) visitor.unstick();
      visitor.settle();
    }
  }

  /** Until all who are there have had this event last. */
  async reached(id: string): Promise<void> {
    await eventually(() => this.visitors.every((one) => one.isAway || one.client?.lastId === id), {
      withinMs: 60_000,
      what: `${id} to reach all who are there`,
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const visitor of this.visitors) visitor.close();
  }

  /** Somebody who is there and reads, or undefined when there is hardly anybody. */
  anyPresent(): Visitor | undefined {
    return this.#any(
      ({ isAway, isStuck, client }) => !isAway && !isStuck && client?.isOpen === true,
    );
  }

  #tick(): void {
    const now = performance.now();
    this.ownLagMs = Math.max(this.ownLagMs, now - this.#tickedAt - TICK_MS);
    this.#tickedAt = now;
    for (let i = 0; i < OPENED_PER_TICK && !this.isFull; i += 1) this.#open();
  }

  #open(): void {
    const { random } = this.#options;
    const recent = this.#recent[random.below(RECENT)];
    const isBack = random.below(2) === 0 && recent?.isAway === true;
    const visitor = isBack ? recent : this.#any(({ isAway }) => isAway);
    if (visitor === undefined) return;
    this.#present += 1;
    visitor.come();
  }

  #any(fits: (visitor: Visitor) => boolean): Visitor | undefined {
    for (let tries = 0; tries < 100; tries += 1) {
      const visitor = this.#options.random.pick(this.visitors);
      if (fits(visitor)) return visitor;
    }
    return undefined;
  }

  #left(visitor: Visitor): void {
    this.#present -= 1;
    this.#recent.push(visitor);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }
}
