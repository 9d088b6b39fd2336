/** The arithmetic of the benchmarks' page, on three servers whose figures are made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nchan } from '../../../bench/peers/nchan.ts';
import { slowDown } from '../../../bench/peers/slowed.ts';
import { askable } from '../../../bench/scenarios/common.ts';
import { between, page } from '../../../bench/support/page.ts';
import { barsOf, plot, wrapped } from '../../../bench/support/plot.ts';
import { serverOf } from '../../../bench/support/ratios.ts';
import { figure, missedTargets, section, verdict } from '../../../bench/support/report.ts';
import type { Report } from '../../../bench/support/results.ts';
import { summarise } from '../../../bench/support/stats.ts';

const metric = 'CPU per delivery';
const NAMES = ['tidings', 'Nchan', 'Nchan, 2 workers', 'C floor'];

const REPORT: Report = {
  name: 'cost',
  kind: 'peers',
  title: 'The cost',
  how: 'By looking.',
  headline: { metric, better: 'less' },
  rows: [
    { subject: 'tidings', metric, unit: 'µs', samples: [4, 2, 6] },
    { subject: 'Nchan', metric, unit: 'µs', samples: [8, 8, 6] },
    { subject: 'Nchan, 2 workers', metric, unit: 'µs', samples: [300, 300] },
    { subject: 'C floor', metric, unit: 'µs', samples: [2, 2, 2] },
    { subject: 'tidings', metric: 'bytes', unit: 'B', samples: [181, 181, 181] },
  ],
  targets: [{ subject: 'tidings', over: 'C floor', metric, atMost: 1.5 }],
  notes: ['Nchan: 3 of 9 lost'],
  entrants: [
    ...NAMES.map((name) => ({ name, settings: `those of ${name}` })),
    { name: 'Pushpin', settings: '', missing: 'not installed' },
  ],
  machine: { CPU: 'one', date: 'today' },
};

test('bench - the median of an even number of samples lies between the two in the middle', () => {
  assert.deepEqual(summarise([4, 1, 3, 10]), { median: 3.5, min: 1, max: 10 });
});

test('bench - figures have three digits, and small ones two', () => {
  assert.deepEqual([1234.5, 123.4, 12.34, 1.234, 0.01234].map(figure), [
    ...['1,230', '123', '12.3', '1.23', '0.012'],
  ]);
});

test('bench - a subject belongs to the server with the longest name that fits', () => {
  assert.equal(serverOf('Nchan, 2 workers, 100 stuck', NAMES), 'Nchan, 2 workers');
  assert.equal(serverOf('Nchan, 100 stuck', NAMES), 'Nchan');
});

test('bench - ratios are taken round by round, not of the medians', () => {
  const text = section(REPORT);
  const nchan =
    '| Nchan | 8.00 µs | 6.00 – 8.00 | 2.00 <sub>1.00 – 4.00</sub> | 4.00 <sub>3.00 – 4.00</sub> | 3 |';
  assert.ok(text.includes(nchan), text);
});

test('bench - no ratio where the rounds are not the same', () => {
  assert.ok(section(REPORT).includes('| Nchan, 2 workers | 300 µs | 300 – 300 | – | – | 2 |'));
});

test('bench - a scenario with variants compares each with the same variant', () => {
  const rows = REPORT.rows.map((row) => ({ ...row, subject: `${row.subject}, 100 stuck` }));
  assert.ok(
    section({ ...REPORT, rows }).includes('| Nchan, 100 stuck | 8.00 µs | 6.00 – 8.00 | 2.00'),
  );
});

test('bench - a limit on a ratio is kept, broken or not measured', () => {
  const [target] = REPORT.targets;
  assert.match(verdict(target!, REPORT.rows), /not kept.*2\.00/);
  assert.match(verdict({ ...target!, atMost: 2 }, REPORT.rows), /; kept \(2\.00\)/);
  assert.match(verdict({ ...target!, over: 'nobody' }, REPORT.rows), /not measured/);
});

test('bench - alone, limits beside ours and the bounds are judged, those beside a rival if it took part', () => {
  const limit = (over: string) => ({ subject: 'tidings', over, metric, atMost: 1.5 });
  const targets = ['Nchan', 'C floor', 'tidings, idle'].map(limit);
  const idle = { subject: 'tidings, idle', metric, unit: 'µs', samples: [1, 1, 1] };
  const judged = (rows: Report['rows']) =>
    section({ ...REPORT, kind: 'alone', rows, targets }).match(
      /^- tidings ÷ [^:]+: at most 1\.5; .*$/gm,
    );
  const ours = [
    `- tidings ÷ C floor, ${metric}: at most 1.5; **not kept** (2.00)`,
    `- tidings ÷ tidings, idle, ${metric}: at most 1.5; **not kept** (4.00)`,
  ];
  const rows = [...REPORT.rows, idle];
  assert.deepEqual(judged(rows.filter(({ subject }) => subject !== 'Nchan')), ours);
  const [nchan, ...others] = judged(rows)!;
  assert.match(nchan!, /^- tidings ÷ Nchan, .*kept/);
  assert.deepEqual(others, ours);
});

test('bench - targets that are not kept or not measured are missed, others are not', () => {
  const [target] = REPORT.targets;
  const targets = [target!, { ...target!, atMost: 2 }, { ...target!, over: 'nobody' }];
  const missed = missedTargets({ ...REPORT, targets });
  assert.equal(missed.length, 2);
  assert.match(missed[0]!, /not kept/);
  assert.match(missed[1]!, /not measured/);
});

test('bench - limits beside Nchan are for runs in which it takes part', () => {
  const settings = { runs: 1, scale: 1, ours: [], rivals: [], log: () => {} };
  const targets = ['C floor', 'Nchan'].map((over) => ({ subject: 'tidings', over, metric }));
  assert.deepEqual(askable(settings, targets), targets.slice(0, 1));
  assert.deepEqual(askable({ ...settings, rivals: [nchan] }, targets), targets);
});

test('bench - the page says who was left out, what was lost and on which machine', () => {
  const text = page([REPORT], [{ ...REPORT, kind: 'alone' }]);
  for (const part of [
    '## Beside the others',
    '## Ours alone',
    'Pushpin left out: not installed',
    'Nchan: 3 of 9 lost',
    '<sub>CPU: one · date: today</sub>',
    '- Nchan, 2 workers: those of Nchan, 2 workers',
    '](plots/peers-cost.svg)',
  ])
    assert.ok(text.includes(part), part);
});

test('bench - the plot has a bar for every server, best first, and its footer', async () => {
  const svg = await plot(REPORT);
  for (const name of [...NAMES, 'CPU: one · date: today'])
    assert.ok(svg.includes(`>${name}<`), name);
  assert.equal(svg.match(/aria-roledescription="bar"/g)?.length, NAMES.length);
  assert.deepEqual(
    barsOf(REPORT).map(({ server }) => server),
    ['C floor', 'tidings', 'Nchan', 'Nchan, 2 workers'],
  );
});

test('bench - the footer of a plot is broken between its parts', () => {
  const long = 'x'.repeat(100);
  assert.deepEqual(wrapped(['a', 'b', long, long]), [`a · b · ${long}`, long]);
});

test('bench - the block of the README is replaced, and must be there', () => {
  const text = 'a <!-- benchmark: written by `npm run bench:page` -->\nold\n<!-- /benchmark --> b';
  assert.equal(between(text, 'new'), text.replace('old', 'new'));
  assert.throws(() => between('no marks', 'new'), /README/);
});

test('bench - the slowed server is not made from a source that does not fit', () => {
  assert.throws(() => slowDown('nothing to patch'), /not 1/);
  assert.match(slowDown('sink.cork(writeCorked);'), /(cork\(writeCorked\).*){2}/s);
});

test('bench - what a soak found has a chapter of its own, and none when there was none', () => {
  const soak = {
    how: 'Half an hour.',
    rows: [['Gaps told', '7']],
    machine: { cores: '2' },
  } as const;
  assert.match(
    page([REPORT], [], soak),
    /\n\n## Soak\n\nHalf an hour\.\n\n\| Figure .*\n.*\n\| Gaps told \| 7 \|\n\n<sub>cores: 2<\/sub>$/,
  );
  assert.ok(!page([REPORT], []).includes('Soak'));
});
