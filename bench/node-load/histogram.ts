/** Latencies of millions of deliveries, in a fixed table that lies in memory shared between threads. */

/** Logarithmic with 64 steps per octave: 1.6 % wide, no allocation while measuring. */
const STEPS = 64;
const OCTAVES = 58;
const TABLE = STEPS * OCTAVES;
const TOTAL = TABLE;
const MAX = TABLE + 1;
const TWO_TO_32 = 2 ** 32;

export const HISTOGRAM_BYTES = (TABLE + 2) * Float64Array.BYTES_PER_ELEMENT;

/** Values below 64 have a step of their own; above, the top six bits after the leading one choose the step. */
function stepAt(value: number): number {
  if (value < STEPS) return Math.floor(value);
  const high = Math.floor(value / TWO_TO_32);
  const shift = high > 0 ? 57 - Math.clz32(high) : 25 - Math.clz32(value);
  const top = high > 0 ? Math.floor(value / 2 ** shift) : value >>> shift;
  return (shift + 1) * STEPS + top - STEPS;
}

function valueAt(step: number): number {
  if (step < STEPS) return step;
  return ((step % STEPS) + STEPS) * 2 ** (Math.floor(step / STEPS) - 1);
}

export class Histogram {
  readonly #table: Float64Array;

  constructor(memory: ArrayBufferLike = new ArrayBuffer(HISTOGRAM_BYTES), offset = 0) {
    this.#table = new Float64Array(memory, offset, TABLE + 2);
  }

  get total(): number {
    return this.#table[TOTAL]!;
  }

  get max(): number {
    return this.#table[MAX]!;
  }

  /** Hot path: once per delivery. A clock read before the stamp's on another core counts as 0. */
  add(value: number): void {
    const table = this.#table;
    const positive = Math.max(value, 0);
    table[stepAt(positive)]!++;
    table[TOTAL]!++;
    if (positive > table[MAX]!) table[MAX] = positive;
  }

  clear(): void {
    this.#table.fill(0);
  }

  merge(other: Histogram): void {
    for (let i = 0; i <= TOTAL; i++) this.#table[i]! += other.#table[i]!;
    this.#table[MAX] = Math.max(this.max, other.max);
  }

  quantile(q: number): number {
    const rank = Math.min(Math.floor(q * this.total), this.total - 1);
    let below = 0;
    for (let step = 0; step < TABLE; step++) {
      below += this.#table[step]!;
      if (below > rank && below > 0) return valueAt(step);
    }
    return 0;
  }
}

/** Microseconds with one decimal, as the C program prints them. */
export const micros = (ns: number): number => Math.round(ns / 100) / 10;

export interface Quantiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

export const quantiles = (histogram: Histogram): Quantiles => ({
  p50Us: micros(histogram.quantile(0.5)),
  p99Us: micros(histogram.quantile(0.99)),
  p999Us: micros(histogram.quantile(0.999)),
  maxUs: micros(histogram.max),
});
