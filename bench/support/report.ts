/** One section of the page, as Markdown that is also fit for a terminal. */
import { BOUNDS, counterpart, limited, OURS, ratioOf, rowOf, serverOf } from './ratios.ts';
import type { Report } from './results.ts';
import type { Row, Target } from './scenario.ts';
import { summarise } from './stats.ts';

/** Three significant digits, thousands with commas; two of what is below a tenth. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value > 0 && value < 0.1) return String(Number(value.toPrecision(2)));
  if (value >= 1_000) return Math.round(Number(value.toPrecision(3))).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function table(head: readonly string[], lines: readonly string[][]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, rule, ...lines].map(line).join('\n');
}

/** Median with its spread in small print. */
function cell(samples: readonly number[] | undefined): string {
  if (samples === undefined) return '–';
  const { median, min, max } = summarise(samples);
  return `${figure(median)} <sub>${figure(min)} – ${figure(max)}</sub>`;
}

const unique = (names: readonly string[]): string[] => [...new Set(names)];
const subjectsOf = (rows: readonly Row[]): string[] => unique(rows.map(({ subject }) => subject));

/** The metric that is plotted; of a scenario that names none, its first. */
export const headlineMetric = ({ headline, rows }: Report): string =>
  headline?.metric ?? rows[0]?.metric ?? '';

/** Names of the servers that took part. */
export const servers = ({ entrants }: Report): string[] =>
  entrants.filter(({ missing }) => missing === undefined).map(({ name }) => name);

/** The servers to divide by: not by the only one there is. */
function divisors(report: Report): string[] {
  const names = servers(report);
  const measured = (name: string) =>
    report.rows.some(
      ({ subject, metric }) =>
        serverOf(subject, names) === name && metric === headlineMetric(report),
    );
  return names.length < 2 ? [] : [OURS, ...BOUNDS].filter(measured);
}

function ratioCell(report: Report, row: Row, other: string): string {
  const server = serverOf(row.subject, servers(report));
  if (server === undefined) return '–';
  return server === other
    ? '1'
    : cell(ratioOf(row, counterpart(report.rows, row, { server, other })));
}

function headlineTable(report: Report): string {
  const metric = headlineMetric(report);
  const by = divisors(report);
  const lines = report.rows
    .filter((row) => row.metric === metric)
    .map((row) => {
      const { median, min, max } = summarise(row.samples);
      const spread = `${figure(min)} – ${figure(max)}`;
      const ratio = by.map((other) => ratioCell(report, row, other));
      const value = `${figure(median)} ${row.unit}`.trimEnd();
      return [row.subject, value, spread, ...ratio, String(row.samples.length)];
    });
  const head = ['Server', 'Median', 'Spread (min – max)', ...by.map((name) => `÷ ${name}`), 'Runs'];
  return `**${metric}**${better(report)}\n\n${table(head, lines)}`;
}

const better = ({ headline }: Report): string =>
  headline === undefined ? '' : `, ${headline.better} is better`;

/** The other metrics, one column each. */
function restTable(report: Report): string {
  const rows = report.rows.filter(({ metric }) => metric !== headlineMetric(report));
  if (rows.length === 0) return '';
  const metrics = unique(rows.map(({ metric }) => metric));
  const unitOf = (metric: string) => rows.find((row) => row.metric === metric)!.unit;
  const head = metrics.map((metric) =>
    unitOf(metric) === '' ? metric : `${metric}, ${unitOf(metric)}`,
  );
  const lines = subjectsOf(rows).map((subject) => [
    subject,
    ...metrics.map((metric) => cell(rowOf(rows, subject, metric)?.samples)),
  ]);
  return table(['Server', ...head], lines);
}

function isKept({ atMost = Infinity, atLeast = -Infinity }: Target, median: number): boolean {
  return median <= atMost && median >= atLeast;
}

/** The limit in words, and whether the median keeps it. */
export function verdict(target: Target, rows: readonly Row[]): string {
  const { subject, over, metric, atMost, atLeast } = target;
  const what = over === undefined ? subject : `${subject} ÷ ${over}`;
  const limit = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  const samples = limited(target, rows);
  if (samples === undefined) return `- ${what}, ${metric}: ${limit}; **not measured**`;
  const { median } = summarise(samples);
  const kept = isKept(target, median) ? 'kept' : '**not kept**';
  return `- ${what}, ${metric}: ${limit}; ${kept} (${figure(median)})`;
}

/** Limits that divide by a rival are for the runs in which it could take part, or did. */
function verdicts({ targets, rows, kind }: Report): string[] {
  const isOfOurs = (over: string) => serverOf(over, [OURS, ...BOUNDS]) !== undefined;
  const isJudged = ({ over, metric }: Target) =>
    over === undefined || kind === 'peers' || isOfOurs(over) || rowOf(rows, over, metric);
  return targets.filter(isJudged).map((target) => verdict(target, rows));
}

/** The verdicts on targets that were not kept, or not measured. */
export const missedTargets = (report: Report): string[] =>
  verdicts(report).filter((line) => line.includes('**not '));

function notes({ notes: said, entrants }: Report): string {
  const absent = entrants.filter(({ missing }) => missing !== undefined);
  const leftOut = absent.map(({ name, missing }) => `${name} left out: ${missing}`);
  return [...leftOut, ...said].map((note) => `- Note: ${note}`).join('\n');
}

/** Name and value of everything about the machine, one after the other. */
export const footerParts = ({ machine }: Report): string[] =>
  Object.entries(machine).map(([name, value]) => `${name}: ${value}`);

export const footer = (report: Report): string => `<sub>${footerParts(report).join(' · ')}</sub>`;

/** `figures`: what to show above the tables, such as a plot. */
export function section(report: Report, figures = ''): string {
  const parts = [
    `### ${report.title}`,
    report.how,
    figures,
    headlineTable(report),
    restTable(report),
    verdicts(report).join('\n'),
    notes(report),
    footer(report),
  ];
  return parts.filter(Boolean).join('\n\n');
}

/** The same for a terminal, which knows no small print. */
export const printed = (report: Report): string =>
  section(report).replaceAll('<sub>', '(').replaceAll('</sub>', ')');
