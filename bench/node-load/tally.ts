/**
 * What the threads that read streams count, in memory that all of them see: while a run is measured nothing is copied
 * or sent, but one message of each thread when everything that is wanted has arrived there.
 */
import { MAX_PUBLISHERS } from './arguments.ts';
import { HISTOGRAM_BYTES, Histogram } from './histogram.ts';

/** Events of one publisher that may be on their way at the same time and still be told apart. */
const EVENTS_ON_THE_WAY = 4096;

/** Shared by all threads. */
export class Board {
  readonly memory: SharedArrayBuffer;
  /** Streams that are live, then the arrivals of each event on its way. */
  readonly #cells: Int32Array;

  constructor(memory = new SharedArrayBuffer((1 + MAX_PUBLISHERS * EVENTS_ON_THE_WAY) * 4)) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
  }

  get live(): number {
    return Atomics.load(this.#cells, 0);
  }

  addLive(change: number): void {
    Atomics.add(this.#cells, 0, change);
  }

  /** Called before an event is posted, so that what an older one left in its place counts for nothing. */
  expect(publisher: number, sequence: number): void {
    Atomics.store(this.#cells, cellOf(publisher, sequence), 0);
  }

  /** Hot path: once per delivery. True for the last of the live streams to get this event. */
  arrived(publisher: number, sequence: number): boolean {
    return Atomics.add(this.#cells, cellOf(publisher, sequence), 1) + 1 === this.live;
  }
}

const cellOf = (publisher: number, sequence: number): number =>
  1 + publisher * EVENTS_ON_THE_WAY + (sequence % EVENTS_ON_THE_WAY);

const COUNTERS = ['deliveries', 'outOfOrder', 'stray', 'closed', 'bytes', 'last'] as const;
type Counter = (typeof COUNTERS)[number];
export type Counts = Record<Counter, number>;

const COUNTERS_BYTES = COUNTERS.length * 8;

/** Written by one thread, read by the parent. */
export class Tally {
  readonly memory: SharedArrayBuffer;
  readonly latency: Histogram;
  readonly lastStream: Histogram;
  readonly heads: Histogram;
  readonly counters: Float64Array;

  constructor(memory = new SharedArrayBuffer(COUNTERS_BYTES + 3 * HISTOGRAM_BYTES)) {
    this.memory = memory;
    this.counters = new Float64Array(memory, 0, COUNTERS.length);
    const histogram = (n: number) => new Histogram(memory, COUNTERS_BYTES + n * HISTOGRAM_BYTES);
    this.latency = histogram(0);
    this.lastStream = histogram(1);
    this.heads = histogram(2);
  }

  clear(): void {
    this.counters.fill(0);
    for (const histogram of [this.latency, this.lastStream, this.heads]) histogram.clear();
  }

  merge(other: Tally): void {
    const last = Math.max(this.last, other.last);
    for (let i = 0; i < COUNTERS.length; i++) this.counters[i]! += other.counters[i]!;
    this.counters[LAST] = last;
    this.latency.merge(other.latency);
    this.lastStream.merge(other.lastStream);
    this.heads.merge(other.heads);
  }

  /** When the last delivery arrived; 0 before the first. */
  get last(): number {
    return this.counters[LAST]!;
  }

  get counts(): Counts {
    const entries = COUNTERS.map((name, i) => [name, this.counters[i]!] as const);
    return Object.fromEntries(entries) as Counts;
  }
}

/** Places in `Tally.counters`, for the code that runs once per delivery. */
export const DELIVERIES = COUNTERS.indexOf('deliveries');
export const OUT_OF_ORDER = COUNTERS.indexOf('outOfOrder');
export const STRAY = COUNTERS.indexOf('stray');
export const CLOSED = COUNTERS.indexOf('closed');
export const BYTES = COUNTERS.indexOf('bytes');
export const LAST = COUNTERS.indexOf('last');
