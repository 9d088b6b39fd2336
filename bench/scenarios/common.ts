/** What several scenarios do alike. */
import { addon } from '../peers/addon.ts';
import { floor } from '../peers/floor.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Counted, faults } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { NCHAN } from '../support/ratios.ts';
import { type Scenario, type Settings, Sheet, type Target } from '../support/scenario.ts';
import { ratios } from '../support/stats.ts';

/** All servers, ours first; without those that cannot run here. */
export const servers = ({ ours, rivals }: Settings): Peer[] =>
  [...ours, ...rivals].filter((peer) => peer.missing() === undefined);

/** The same and the C floor. */
export const serversAndFloor = (settings: Settings): Peer[] =>
  floor.missing() === undefined ? [...servers(settings), floor] : servers(settings);

/** All servers and the addon alone: for what is counted in answers, not in deliveries. */
export const serversAndCeiling = (settings: Settings): Peer[] => [...servers(settings), addon];

/** Limits beside Nchan are for the runs in which it takes part. */
export const askable = ({ rivals }: Settings, targets: readonly Target[]): Target[] =>
  targets.filter(({ over }) => over !== NCHAN || rivals.some(({ name }) => name === NCHAN));

/**
 * False, and a note, when `work` fails for a server that is not ours: one that breaks must not cost the others their
 * figures, and ours must not break.
 */
export async function succeeds(
  sheet: Sheet,
  { settings, peer }: { settings: Settings; peer: Peer },
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (settings.ours.includes(peer)) throw error;
    sheet.notes.add(`${peer.name} broke off: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

export interface Turns {
  readonly peers: readonly Peer[];
  /** The metric whose newest sample is shown while the benchmark runs. */
  readonly shown: string;
  /** Of which subject, where it is not the server alone. */
  subject?(name: string): string;
  measure(owner: Cleanup, peer: Peer): Promise<void>;
}

/** Rounds in which each server is measured once, freshly started; one that fails is not asked again. */
export async function inTurns(sheet: Sheet, settings: Settings, turns: Turns): Promise<void> {
  let taking = turns.peers;
  for (let round = 0; round < settings.runs; round++) {
    const able: Peer[] = [];
    for (const peer of taking) {
      const work = () => withCleanup((owner) => turns.measure(owner, peer));
      if (await succeeds(sheet, { settings, peer }, work)) able.push(peer);
      const subject = turns.subject?.(peer.name) ?? peer.name;
      const newest = sheet.samples(subject, turns.shown).at(-1);
      settings.log(`${peer.name}: ${turns.shown} ${newest?.toPrecision(3) ?? 'not measured'}`);
    }
    taking = able;
  }
}

/** One server's turn; what it starts is closed by `owner`. */
export interface Turn {
  readonly owner: Cleanup;
  readonly peer: Peer;
  readonly scale: number;
}

export interface Rounds {
  readonly peers: (settings: Settings) => readonly Peer[];
  /** As in `Turns`. */
  readonly shown: string;
  readonly targets?: readonly Target[];
  readonly measure: (sheet: Sheet, turn: Turn) => Promise<void>;
}

/** The whole of a scenario that measures each server by itself. */
export const rounds =
  ({ peers, shown, targets = [], measure }: Rounds): Scenario['run'] =>
  async (settings) => {
    const { scale } = settings;
    const sheet = new Sheet();
    await inTurns(sheet, settings, {
      peers: peers(settings),
      shown,
      measure: (owner, peer) => measure(sheet, { owner, peer, scale }),
    });
    return { rows: sheet.rows(), targets: askable(settings, targets), notes: [...sheet.notes] };
  };

/** What was wrong in all of these runs together. */
export function noteFaults(sheet: Sheet, subject: string, runs: readonly Counted[]): void {
  for (const fault of faults(runs)) sheet.notes.add(`${subject}: ${fault}`);
}

/** Adds `a / b` of one server's figures round by round; ratios between servers are the report's. */
export function addRatios(sheet: Sheet, a: string, b: string, metric: string): void {
  for (const ratio of ratios(sheet.samples(a, metric), sheet.samples(b, metric))) {
    sheet.add(`${a} / ${b}`, metric, '×', ratio);
  }
}
