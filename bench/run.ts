/**
 * `npm run bench -- [--only a,b] [--runs 5] [--scale 1] [--base CLI]`
 *
 * `--base` names the `dist/src/cli.js` of another build: it takes its turns as "base", which is how a change of the hot
 * path is judged. Results are kept only from full runs (five or more, scale 1, no base).
 */
import { parseArgs } from 'node:util';
import { floor } from './peers/floor.ts';
import { nchan } from './peers/nchan.ts';
import { tidings, tidingsAt } from './peers/tidings.ts';
import { controlCalls } from './scenarios/control-calls.ts';
import { controlUnderBroadcast } from './scenarios/control-under-broadcast.ts';
import { deliveryCost } from './scenarios/delivery-cost.ts';
import { idleMemory } from './scenarios/idle-memory.ts';
import { manyPublishers } from './scenarios/many-publishers.ts';
import { resume } from './scenarios/resume.ts';
import { slowCrowd } from './scenarios/slow-crowd.ts';
import { stuckReaders } from './scenarios/stuck-readers.ts';
import { hasCompiler } from './support/build.ts';
import { machineFooter } from './support/machine.ts';
import { childrenOf } from './support/procfs.ts';
import { type Report, save, section, writePage } from './support/report.ts';
import type { Scenario, Settings } from './support/scenario.ts';

const SCENARIOS: readonly Scenario[] = [
  deliveryCost,
  manyPublishers,
  idleMemory,
  controlCalls,
  controlUnderBroadcast,
  stuckReaders,
  resume,
  slowCrowd,
];
const RUNS_TO_KEEP = 5;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: SCENARIOS.map(({ name }) => name).join() },
    runs: { type: 'string', default: String(RUNS_TO_KEEP) },
    scale: { type: 'string', default: '1' },
    base: { type: 'string' },
  },
});

function chosen(): Scenario[] {
  const names = values.only.split(',');
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    const known = SCENARIOS.map(({ name }) => name).join(', ');
    throw new Error(`no scenario ${unknown.join(', ')}; there are: ${known}`);
  }
  const needsLoad = (scenario: Scenario) => scenario !== controlCalls;
  return SCENARIOS.filter(({ name }) => names.includes(name)).filter((scenario) => {
    const possible = hasCompiler() || !needsLoad(scenario);
    if (!possible)
      console.log(`${scenario.name} left out: no C compiler (cc) for the load generator`);
    return possible;
  });
}

function commandLine(): string {
  const full = values.runs === String(RUNS_TO_KEEP) && values.scale === '1';
  const args = full ? '' : ` --runs ${values.runs} --scale ${values.scale}`;
  return `npm run bench -- --only ${values.only}${args}${values.base ? ' --base …' : ''}`;
}

async function measure(scenario: Scenario, settings: Settings, keep: boolean): Promise<void> {
  const machine = machineFooter(commandLine());
  console.log(`\n${scenario.name} …`);
  const result = await scenario.run(settings);
  const report: Report = { title: scenario.title, how: scenario.how, result, machine };
  console.log(`\n${section(report)}`);
  if (keep) save(scenario, report);
}

// Servers are killed with the benchmark; the load generators end with their standard input.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const pid of childrenOf(process.pid)) process.kill(pid);
    process.exit(1);
  });
}

const settings: Settings = {
  runs: Number(values.runs),
  scale: Number(values.scale),
  ours: values.base === undefined ? [tidings] : [tidings, tidingsAt('base', values.base)],
  rivals: [nchan],
  log: (text) => console.log(`  ${text}`),
};
const keep = settings.runs >= RUNS_TO_KEEP && settings.scale === 1 && values.base === undefined;
for (const scenario of chosen()) await measure(scenario, settings, keep);
if (keep) writePage(SCENARIOS, [tidings, nchan, floor]);
else
  console.log(`\nNot kept: results are kept from ${RUNS_TO_KEEP} runs at scale 1 without a base.`);
