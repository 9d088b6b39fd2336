/**
 * `npm run test:soak`: half an hour, or `SOAK_MINUTES`. Prints lines of JSON, and keeps the figures for
 * the benchmarks' page, which `npm run bench:page` writes.
 */
import { machineFooter } from '../../bench/support/machine.ts';
import { saveSoak } from '../../bench/support/soak.ts';
import { type Figures, type SoakOptions, soak } from './soak.ts';

const MINUTES = 30;

/** What memory may grow once it has settled; a shorter run has hardly let it. */
const GROWTH = 1.1;
const SHORT_GROWTH = 1.3;

function optionsFor(minutes: number): SoakOptions {
  if (!(minutes >= 1)) throw new Error('SOAK_MINUTES must be a number of minutes, 1 or more');
  return {
    ...{ seconds: minutes * 60, users: 20_000, present: 3_000, emitsPerSecond: 200 },
    growth: minutes >= MINUTES ? GROWTH : SHORT_GROWTH,
    print: (line) => console.log(line),
  };
}

const count = (value: number): string => value.toLocaleString('en-US');

const rowsOf = ({ account, ...figures }: Figures): [string, string][] => [
  ['Minutes', count(figures.seconds / 60)],
  ['Streams opened', count(account.connections)],
  ['Events emitted', count(account.acked)],
  ['Events due to clients', count(account.expected)],
  ['… delivered', count(account.delivered)],
  ['… in a gap that was told', count(account.reported)],
  ['… lost without a word, twice, or out of order', '0'],
  ['Gaps told', count(account.notices)],
  ['… to one who missed nothing', '0'],
  ['Readers that got stuck for 15 s', count(figures.stuckReaders)],
  ['Longest silence of a stream, heartbeats every 5 s', `${count(figures.longestSilenceMs)} ms`],
  ['Longest life past the end of a token', `${count(figures.longestPastExpiryMs)} ms`],
  ['Longest that the clients themselves were late', `${count(figures.ownLagMs)} ms`],
  ['Memory of the process, once settled (second sixth)', `${figures.settledMB} MB`],
  ['… at most, a median of a sixth of the time', `${figures.mostMB} MB`],
  ['… in the last sixth', `${figures.endMB} MB`],
];

const HOW = `20,000 users, each with a channel of their own beside one for all; 3,000 streams at a time, which live for
30 seconds in the mean and come back soon, late or never; tokens of 60 seconds, events kept for 10; 200 events a second,
mostly for one user; every 20 seconds a reader that gets stuck. Every client keeps books of what it got and was told,
and at the end they are compared with what the emitter was answered; a run whose books are wrong has no figures.`;

const machine = machineFooter('npm run test:soak');
const undo: (() => void | Promise<void>)[] = [];
try {
  const options = optionsFor(Number(process.env['SOAK_MINUTES'] ?? MINUTES));
  const figures = await soak({ after: (fn) => undo.unshift(fn) }, options);
  saveSoak({ how: HOW, rows: rowsOf(figures), machine });
} finally {
  for (const fn of undo) await fn();
}
