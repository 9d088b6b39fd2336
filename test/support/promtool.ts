/** Prometheus' own checks: of what a server tells, and of what is asked about it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CATALOGUE, CLUSTER_CATALOGUE } from '../../src/metrics/catalogue.ts';
import type { Samples } from './metrics.ts';
import { missing } from './proxy.ts';
import type { Owner } from './sse-client.ts';

/** The reason to skip a test that needs promtool, or false; where everything is to be tested its lack is a failure. */
export function withoutPromtool(): string | false {
  const reason = missing('promtool');
  if (reason !== false && process.env['CI'] === 'true')
    throw new Error('promtool is missing: run scripts/install-test-tools.sh as root');
  return reason;
}

/** What promtool says about the text; empty when it has nothing to say. */
export function promtool(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  if (status === 0) return '';
  return `exit ${status}: ${stdout}${stderr}`;
}

/** Writes a file that promtool takes: JSON is YAML. Removed by `t.after`. */
export function asFile(t: Owner, name: string, content: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-promtool-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** Minutes that a condition lasts. */
const MINUTES = 60;

const GAUGES = new Set(
  [...CATALOGUE, ...CLUSTER_CATALOGUE]
    .filter(({ type }) => type === 'gauge')
    .map(({ name }) => name),
);

export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

/** As if what happened between two scrapes had happened every minute since. */
export function lasting(before: Samples, after: Samples): InputSeries[] {
  return [...after].map(([series, value]) => {
    const isGauge = GAUGES.has(series.replace(/\{.*/, ''));
    const change = isGauge ? 0 : value - (before.get(series) ?? 0);
    const from = (isGauge ? value : (before.get(series) ?? 0)).toFixed(6);
    return { series: located(series), values: `${from}+${change.toFixed(6)}x${MINUTES}` };
  });
}

const LOCATION = 'instance="here",job="tidings"';

const located = (series: string): string =>
  series.endsWith('}') ? `${series.slice(0, -1)},${LOCATION}}` : `${series}{${LOCATION}}`;

export interface AlertCase {
  readonly name: string;
  readonly series: readonly InputSeries[];
  /** All that fire in the end. */
  readonly firing: readonly string[];
}

/** A file for `promtool test rules`. */
export const alertTests = (rules: string, cases: readonly AlertCase[]): object => ({
  rule_files: [rules],
  evaluation_interval: '1m',
  tests: cases.map(({ name, series, firing }) => ({
    name,
    interval: '1m',
    input_series: series,
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${MINUTES}m`,
        exp_samples: firing.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
      },
    ],
  })),
});
