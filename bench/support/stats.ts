/** Medians and spreads. A difference inside the spread is no difference. */

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function summarise(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

export const median = (samples: readonly number[]): number => summarise(samples).median;

/** Round by round, so that what disturbs the machine disturbs both sides of a ratio. */
export const ratios = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, round) => value / b[round]!);
