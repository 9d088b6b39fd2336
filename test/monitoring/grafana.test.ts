/** The dashboard: what it asks can be asked and is told, and every panel says which flag to turn. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OPTIONS } from '../../src/config/options.ts';
import { CLUSTER_CATALOGUE } from '../../src/metrics/catalogue.ts';
import { scrape } from '../support/metrics.ts';
import { asFile, promtool, withoutPromtool } from '../support/promtool.ts';
import { startServer } from '../support/server.ts';

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number };
  readonly targets: readonly { readonly refId: string; readonly expr: string }[];
}

interface Board {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const BOARD = JSON.parse(
  readFileSync(new URL('../../../deploy/grafana.json', import.meta.url), 'utf8'),
) as Board;

const EXPRESSIONS = [
  ...BOARD.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...BOARD.annotations.list.map(({ expr }) => expr),
];

/** With what Grafana would put in place of its variables. */
const filled = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|instance)\b/g, '.*');

test('grafana - every panel names a flag to turn, and none that there is not', () => {
  for (const { title, description } of BOARD.panels) {
    const flags = [...description.matchAll(/`-([a-z0-9-]+)`/g)].map(([, name]) => name!);
    assert.ok(flags.length > 0, title);
    for (const name of flags) assert.ok(name in OPTIONS, `${title}: -${name}`);
  }
});

test('grafana - what it asks is told by a server', async (t) => {
  const told = [...(await scrape(await startServer(t))).keys()].map((key) =>
    key.replace(/\{.*/, ''),
  );
  told.push(...CLUSTER_CATALOGUE.map(({ name }) => name)); // with -nats
  for (const expr of EXPRESSIONS) {
    const names = [...expr.matchAll(/\b(?:tidings|process)_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 0, expr);
    for (const name of names) assert.ok(told.includes(name), name);
  }
});

test('grafana - Prometheus understands what it asks', { skip: withoutPromtool() }, (t) => {
  const rules = EXPRESSIONS.map((expr, i) => ({ record: `panel:${i}`, expr: filled(expr) }));
  const file = asFile(t, 'panels.yml', { groups: [{ name: 'grafana', rules }] });
  assert.equal(promtool(['check', 'rules', file]), '');
});

test('grafana - panels have a place and a number each, and every variable is there', () => {
  const places = BOARD.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
  assert.equal(new Set(places).size, places.length);
  assert.equal(new Set(BOARD.panels.map(({ id }) => id)).size, places.length);
  const known = new Set(['__rate_interval', ...BOARD.templating.list.map(({ name }) => name)]);
  for (const expr of EXPRESSIONS)
    for (const [, name] of expr.matchAll(/\$(\w+)/g)) assert.ok(known.has(name!), name);
});
