/**
 * `npm run bench -- [--only a,b] [--runs 5] [--scale 1] [--base CLI] [--prove] [--strict]`: ours, the C floor and the addon alone.
 * `npm run bench:peers -- [--rivals a;b] …`: with every server to compare with that is found.
 * `npm run bench:page`: only writes the page again, from the results there are.
 *
 * `--base` names the `dist/src/cli.js` of another build: it takes its turns as "base", which is how a change of the hot
 * path is judged. `--prove` lets a slowed copy of ours take turns. Results are kept only from full runs (five or more,
 * scale 1, no base, all rivals).
 *
 * Targets that are not kept are listed at the end; only with `--strict` they make the exit code 1, as machines differ.
 * A target that was not measured is not kept either.
 *
 * Without a C compiler the load generator is the one in Node; BENCH_LOAD=node takes that one although there is a compiler.
 */
import { parseArgs } from 'node:util';
import { addon } from './peers/addon.ts';
import { rivals } from './peers/all.ts';
import { floor } from './peers/floor.ts';
import { slowed } from './peers/slowed.ts';
import { tidings, tidingsAt } from './peers/tidings.ts';
import { COMPARISONS, SCENARIOS } from './scenarios/all.ts';
import { deliveryCost } from './scenarios/delivery-cost.ts';
import { type Entrants, measure } from './support/measure.ts';
import { writePage } from './support/page.ts';
import { childrenOf } from './support/procfs.ts';
import { missedTargets } from './support/report.ts';
import type { Scenario } from './support/scenario.ts';

const RUNS_TO_KEEP = 5;
const PROOF: Scenario = {
  ...deliveryCost,
  name: 'proof',
  title: 'Proof that a slowdown is seen: the same server with two sends for every delivery',
};

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string', default: String(RUNS_TO_KEEP) },
    scale: { type: 'string', default: '1' },
    base: { type: 'string' },
    rivals: { type: 'string' },
    peers: { type: 'boolean', default: false },
    prove: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
  },
});

/** Those of `all` that `names` lists; all without a list. */
function named<T extends { readonly name: string }>(
  all: readonly T[],
  names: string[] | undefined,
): T[] {
  const unknown = names?.filter((name) => !all.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(
      `no ${unknown.join('; ')}; there are: ${all.map(({ name }) => name).join('; ')}`,
    );
  }
  return all.filter(({ name }) => names?.includes(name) ?? true);
}

function scenarios(): readonly Scenario[] {
  if (values.prove) return [PROOF];
  return named(values.peers ? COMPARISONS : SCENARIOS, values.only?.split(','));
}

function entrants(): Entrants {
  const base = values.base === undefined ? [] : [tidingsAt('base', values.base)];
  const wanted = values.peers ? named(rivals, values.rivals?.split(/[;,](?! )/)) : [];
  return {
    ours: [tidings, ...base, ...(values.prove ? [slowed] : [])],
    rivals: wanted.filter((peer) => peer.missing() === undefined),
    absent: wanted.filter((peer) => peer.missing() !== undefined),
    bounds: [floor, addon],
  };
}

/** As it would have to be typed again; the path of another build says nothing to anyone. */
function commandLine(): string {
  const args = process.argv.slice(2).filter((arg) => arg !== '--peers');
  const typed = args.map((arg) => (arg === values.base ? '…' : arg)).join(' ');
  return `npm run bench${values.peers ? ':peers' : ''}${typed && ` -- ${typed}`}`;
}

/** Every target that was not kept, again: the tables above are long. */
function tellMissed(missed: readonly string[]): void {
  console.log(`\n${missed.length > 0 ? 'Not kept:' : 'Every target is kept.'}`);
  for (const line of missed) console.log(line);
  if (values.strict && missed.length > 0) process.exitCode = 1;
}

/** True when the results are kept. */
async function measureAll(): Promise<boolean> {
  const taking = entrants();
  for (const peer of taking.absent) console.log(`${peer.name} is left out: ${peer.missing()}`);
  const [runs, scale] = [Number(values.runs), Number(values.scale)];
  const isWhole = values.base === undefined && values.rivals === undefined;
  const isKept = runs >= RUNS_TO_KEEP && scale === 1 && isWhole;
  const kind = values.peers ? 'peers' : 'alone';
  const measuring = { runs, scale, kind, isKept, command: commandLine(), ...taking } as const;
  const missed: string[] = [];
  for (const scenario of scenarios()) {
    const report = await measure(scenario, measuring);
    missed.push(...missedTargets(report).map((line) => line.replace('-', `- ${report.name}:`)));
  }
  tellMissed(missed);
  if (!isKept)
    console.log(`\nNot kept: results are kept from ${RUNS_TO_KEEP} runs at scale 1, all rivals.`);
  return isKept;
}

// Servers are killed with the benchmark; the load generators end with their standard input.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const pid of childrenOf(process.pid)) process.kill(pid);
    process.exit(1);
  });
}

const order = [...SCENARIOS, PROOF].map(({ name }) => name);
if (values.page || (await measureAll())) await writePage(order);
