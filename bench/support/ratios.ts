/** Which rows belong together, and what one server's figures are beside another's. */
import type { Row, Target } from './scenario.ts';
import { ratios } from './stats.ts';

/** The servers that all others are divided by. */
export const OURS = 'tidings';
export const FLOOR = 'C floor';
export const CEILING = 'addon alone';
/** What is not a server but a limit for all of them. */
export const BOUNDS: readonly string[] = [FLOOR, CEILING];
/** The rival that limits are set beside. */
export const NCHAN = 'Nchan';

type Rows = readonly Row[];

export const rowOf = (rows: Rows, subject: string, metric: string): Row | undefined =>
  rows.find((row) => row.subject === subject && row.metric === metric);

/** The server that a subject is about: `Nchan, 2 workers` of `Nchan, 2 workers, 100 stuck`. */
export function serverOf(subject: string, servers: readonly string[]): string | undefined {
  const fits = (server: string) => subject === server || subject.startsWith(`${server}, `);
  return servers.filter(fits).toSorted((a, b) => b.length - a.length)[0];
}

/** Round by round; undefined when the two were not measured equally often. */
export function ratioOf(row: Row, over: Row | undefined): readonly number[] | undefined {
  if (over === undefined || over.samples.length !== row.samples.length) return undefined;
  return ratios(row.samples, over.samples);
}

/** The same figure of another server: `tidings, 100 stuck` for `Nchan, 100 stuck`. */
export function counterpart(
  rows: Rows,
  row: Row,
  { server, other }: { server: string; other: string },
): Row | undefined {
  return rowOf(rows, row.subject.replaceAll(server, other), row.metric);
}

/** What a limit is a limit on; undefined when it was not measured. */
export function limited(target: Target, rows: Rows): readonly number[] | undefined {
  const row = rowOf(rows, target.subject, target.metric);
  if (row === undefined || target.over === undefined) return row?.samples;
  return ratioOf(row, rowOf(rows, target.over, target.metric));
}
