/** What a stream was told to be missing: what lies between two gaps it was given all the same. */

/** Gaps of one stream that are told apart; of more, the oldest two count as one with all between them. */
export const MAX_GAPS = 8;

/** Pairs of numbers, the oldest first: something is missing behind the one, through the other. */
export type Gaps = readonly number[];

export const NO_GAPS: Gaps = [];

/** With one more, behind all others. */
export function withGap(gaps: Gaps, after: number, through: number): Gaps {
  const all = [...gaps, after, through];
  if (all.length > 2 * MAX_GAPS) all.splice(1, 2);
  return all;
}

/** Whether this number lies in one of them. */
export function isInGap(gaps: Gaps, n: number): boolean {
  for (let i = 0; i < gaps.length; i += 2) if (gaps[i]! < n && n <= gaps[i + 1]!) return true;
  return false;
}
