/** What `npm run test:soak` found, for the page: a table of figures of which none is compared. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ROOT } from './build.ts';

const FILE = `${ROOT}bench/results/soak.json`;

/** What the file holds. */
export interface SoakReport {
  readonly how: string;
  readonly rows: readonly (readonly [figure: string, value: string])[];
  readonly machine: Readonly<Record<string, string>>;
}

export const saveSoak = (report: SoakReport): void =>
  writeFileSync(FILE, `${JSON.stringify(report, null, 1)}\n`);

/** Undefined when none was kept. */
export const loadSoak = (): SoakReport | undefined =>
  existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as SoakReport) : undefined;

/** The chapter, or nothing. */
export function soakChapter(report: SoakReport | undefined): string[] {
  if (report === undefined) return [];
  const rows = report.rows.map(([figure, value]) => `| ${figure} | ${value} |`);
  const table = ['| Figure | Value |', '| --- | ---: |', ...rows].join('\n');
  const machine = Object.entries(report.machine).map(([name, value]) => `${name}: ${value}`);
  return ['## Soak', report.how, table, `<sub>${machine.join(' · ')}</sub>`];
}
