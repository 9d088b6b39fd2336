/** Results as JSON: all that the page is made from, so that it can be made again without measuring. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ROOT } from './build.ts';
import type { Result, Scenario } from './scenario.ts';

/** `alone`: ours, the C floor and the addon alone; `peers`: with all others that are found. */
export type Kind = 'alone' | 'peers';

/** A server as the report names it. */
export interface Entrant {
  readonly name: string;
  readonly settings: string;
  /** Why it was left out, when it was. */
  readonly missing?: string;
}

/** What a file in `results/` holds. */
export interface Report extends Result, Pick<Scenario, 'name' | 'title' | 'how' | 'headline'> {
  readonly kind: Kind;
  readonly entrants: readonly Entrant[];
  /** The footer: a figure without it says nothing. */
  readonly machine: Readonly<Record<string, string>>;
}

const folderOf = (kind: Kind): string => `${ROOT}bench/results/${kind}/`;

export function save(report: Report): void {
  mkdirSync(folderOf(report.kind), { recursive: true });
  const text = `${JSON.stringify(report, null, 1)}\n`;
  writeFileSync(`${folderOf(report.kind)}${report.name}.json`, text);
}

/** In the order of `names`; what is not among them comes last. */
export function load(kind: Kind, names: readonly string[]): Report[] {
  mkdirSync(folderOf(kind), { recursive: true });
  const rank = (name: string) => (names.includes(name) ? names.indexOf(name) : names.length);
  return readdirSync(folderOf(kind))
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(folderOf(kind) + file, 'utf8')) as Report)
    .toSorted((a, b) => rank(a.name) - rank(b.name));
}
