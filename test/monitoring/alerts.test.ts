/** What Prometheus makes of a server: the format, and each alert when its condition is true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CLUSTER_CATALOGUE } from '../../src/metrics/catalogue.ts';
import { emitRaw, openNews } from '../support/emitting.ts';
import { type Samples, samplesOf, scrape } from '../support/metrics.ts';
import { withoutNats } from '../support/nats.ts';
import {
  type AlertCase,
  alertTests,
  asFile,
  promtool,
  withoutPromtool,
} from '../support/promtool.ts';
import { missing } from '../support/proxy.ts';
import { startServer } from '../support/server.ts';
import { around, CONDITIONS, grows } from './conditions.ts';

const RULES = fileURLToPath(new URL('../../../deploy/alerts.yml', import.meta.url));
const ALERTS = [...readFileSync(RULES, 'utf8').matchAll(/- alert: (\w+)/g)].map(
  ([, name]) => name!,
);

const skip = withoutPromtool();

test('metrics - promtool has nothing to say against them, quiet or not', { skip }, async (t) => {
  const running = await startServer(t);
  const read = async () => (await fetch(`${running.controlUrl}/metrics`)).text();
  assert.equal(promtool(['check', 'metrics'], await read()), '');
  await openNews(t, running);
  await emitRaw(running, 'data: x');
  assert.equal(promtool(['check', 'metrics'], await read()), '');
});

test('alerts - promtool takes the rules', { skip }, () => {
  assert.equal(promtool(['check', 'rules', RULES]), '');
});

test('alerts - each says what to do', () => {
  const text = readFileSync(RULES, 'utf8');
  for (const key of ['summary', 'action', 'severity'])
    assert.equal(text.match(new RegExp(`${key}:`, 'g'))?.length, ALERTS.length, key);
});

/** What a condition makes true besides its own alert. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // The rest of the history goes first.
  'TidingsEmitsRefused, MEMORY_FULL': ['TidingsHistoryCut'],
  'TidingsNotReady, nats': ['TidingsBackplaneDown'],
  TidingsBackplaneDown: ['TidingsNotReady'],
  TidingsSlow: ['TidingsLoopLate'],
  TidingsWebhooksDropped: ['TidingsWebhooksNotTaken'],
};

/** Without the cause, where an alert has several. */
const alertOf = (name: string): string => name.split(',')[0]!;

const NOTHING = 'nothing';

test('alerts - none fires on a server that does well', { skip }, async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  const series = await around(
    running,
    () => emitRaw(running, 'data: x'),
    grows('tidings_deliveries_total'),
  );
  assert.equal(stream.events.length, 1);
  assertFiring(t, [{ name: NOTHING, series, firing: [] }]);
});

test('alerts - a server that does not answer', { skip }, (t) => {
  const series = [{ series: 'up{job="tidings",instance="here"}', values: '0+0x60' }];
  assertFiring(t, [{ name: 'TidingsDown', series, firing: ['TidingsDown'] }]);
});

/** The reason to leave a condition out, or false. */
function lacking(name: string): string | false {
  if (name.startsWith('TidingsConnections')) return missing('prlimit');
  const needsNats = /, nats$|^Tidings(?:BackplaneDown|NodesUnheard|EmitsNotStored)/.test(name);
  return needsNats && withoutNats();
}

for (const [name, make] of Object.entries(CONDITIONS))
  test(`alerts - ${name} fires when its condition is true on a server, and no other does`, {
    skip: skip || lacking(name),
  }, async (t) => {
    const series = await make(t);
    assertFiring(t, [{ name, series, firing: [alertOf(name), ...(BESIDE[name] ?? [])] }]);
  });

/** What a server may lack to be ready. */
const NOT_READY = ['serving', 'keys', 'nats'];

/** Those of an alert, by the values of the label that it sums over, as far as it looks at them. */
function causesOf(rule: string, told: Samples): string[] {
  const name = /^\w+/.exec(rule)![0];
  if (name === 'TidingsNotReady') return NOT_READY.map((cause) => `${name}, ${cause}`);
  const [, label] = /sum without \((\w+)\)/.exec(rule) ?? [];
  if (label === undefined) return [name];
  const series = /\btidings_\w+/.exec(rule)![0];
  const pattern = new RegExp(`${label}=~?"([^"]*)"`).exec(rule)?.[1] ?? '.*';
  const known = [...told.keys()].filter((key) => key.startsWith(`${series}{`));
  const values = [...known.map((key) => /"(.*)"/.exec(key)![1]!), ...pattern.split('|')];
  const causes = new Set(
    values.filter((value) => /^[\w-]+$/.test(value) && new RegExp(`^(?:${pattern})$`).test(value)),
  );
  return causes.size === 1 ? [name] : [...causes].map((cause) => `${name}, ${cause}`);
}

test('alerts - each is made true by each of its causes, and there is no other', async (t) => {
  const told = await scrape(await startServer(t));
  const rules = readFileSync(RULES, 'utf8').split('- alert: ').slice(1);
  const causes = rules.flatMap((rule) => causesOf(rule, told));
  assert.deepEqual(causes.sort(), ['TidingsDown', ...Object.keys(CONDITIONS)].sort());
});

function assertFiring(t: TestContext, cases: readonly AlertCase[]): void {
  const file = asFile(t, 'tests.yml', alertTests(RULES, cases));
  assert.equal(promtool(['test', 'rules', file]), '');
}

test('alerts - name only series that a server tells', async (t) => {
  const running = await startServer(t);
  const told = new Set(
    [...samplesOf(await (await fetch(`${running.controlUrl}/metrics`)).text()).keys()].map((key) =>
      key.replace(/\{.*/, ''),
    ),
  );
  for (const { name } of CLUSTER_CATALOGUE) told.add(name); // with -nats
  for (const [name] of readFileSync(RULES, 'utf8').matchAll(/\btidings_\w+/g))
    assert.ok(told.has(name), name);
});
