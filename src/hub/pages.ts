/** Lists in pages, by the place of the last row: exact however many hubs they come from. */

/** Rows in one page at most. */
export const MAX_ROWS_PER_PAGE = 1_000;

export type Compare<T> = (a: T, b: T) => number;

/** By the units of UTF-16: the same on every machine, and no two names are equal that are not the same. */
export const byText: Compare<string> = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export interface PageOptions<T> {
  readonly compare: Compare<T>;
  /** The row behind which the page begins; undefined: the first page. */
  readonly after: T | undefined;
  readonly limit: number;
}

export interface Page<T> {
  readonly rows: readonly T[];
  /** The last row, when there are more behind it. */
  readonly next: T | undefined;
}

/** The first rows behind `after`. Looks at all of them once, and keeps no more than two pages. */
export function pageOf<T>(rows: Iterable<T>, { compare, after, limit }: PageOptions<T>): Page<T> {
  let kept: T[] = [];
  const most = 2 * (limit + 1);
  for (const row of rows) {
    if (after !== undefined && compare(row, after) <= 0) continue;
    kept.push(row);
    if (kept.length >= most) kept = firstOf(kept, compare, limit + 1);
  }
  const found = firstOf(kept, compare, limit + 1);
  const page = found.slice(0, limit);
  return { rows: page, next: found.length > limit ? page.at(-1) : undefined };
}

const firstOf = <T>(rows: T[], compare: Compare<T>, count: number): T[] =>
  rows.sort(compare).slice(0, count);
