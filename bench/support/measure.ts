/** From a scenario to its report: run, printed, kept. */
import { loadGenerator, machineFooter } from './machine.ts';
import type { Peer } from './peer.ts';
import { serverOf } from './ratios.ts';
import { printed } from './report.ts';
import { type Entrant, type Kind, type Report, save } from './results.ts';
import type { Result, Scenario } from './scenario.ts';

export interface Entrants {
  readonly ours: readonly Peer[];
  readonly rivals: readonly Peer[];
  /** Rivals that cannot run here. */
  readonly absent: readonly Peer[];
  /** The floor and the ceiling. */
  readonly bounds: readonly Peer[];
}

export interface Measuring extends Entrants {
  readonly runs: number;
  readonly scale: number;
  readonly kind: Kind;
  readonly isKept: boolean;
  readonly command: string;
}

/** Those of the servers that the scenario has figures of. */
function measured(
  { ours, rivals, bounds }: Entrants,
  own: readonly Peer[],
  { rows }: Result,
): Peer[] {
  const all = [...ours, ...own, ...rivals, ...bounds];
  const names = all.map(({ name }) => name);
  const seen = new Set(rows.map(({ subject }) => serverOf(subject, names)));
  return all.filter(({ name }) => seen.has(name));
}

const entrant = ({ name, settings }: Peer): Entrant => ({ name, settings });

/** A reason that holds now: the page is made later. */
function leftOut(peer: Peer): Entrant {
  return { ...entrant(peer), missing: peer.missing() ?? 'for no known reason' };
}

/** Resolves with what was printed. */
export async function measure(scenario: Scenario, measuring: Measuring): Promise<Report> {
  const { ours, rivals, runs, scale, kind, command } = measuring;
  const machine = machineFooter(command);
  console.log(`\n${scenario.name} … (load generator: ${loadGenerator()})`);
  const log = (text: string) => console.log(`  ${text}`);
  const result = await scenario.run({ ours, rivals, runs, scale, log });
  const own = scenario.own ?? [];
  const peers = measured(measuring, own, result);
  const absent = [...own.filter((peer) => peer.missing() !== undefined), ...measuring.absent];
  const versions = peers.flatMap((peer) => (peer.version ? [[peer.name, peer.version()]] : []));
  const { name, title, how, headline } = scenario;
  const report: Report = {
    ...{ name, kind, title, how, ...(headline && { headline }) },
    ...result,
    entrants: [...peers.map(entrant), ...absent.map(leftOut)],
    machine: { ...machine, ...Object.fromEntries(versions) },
  };
  console.log(`\n${printed(report)}`);
  if (measuring.isKept) save(report);
  return report;
}
