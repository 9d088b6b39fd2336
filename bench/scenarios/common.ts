/** What several scenarios do alike. */
import { floor } from '../peers/floor.ts';
import { type Cleanup, withCleanup } from '../support/cleanup.ts';
import { type Counted, faults } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import type { Settings, Sheet } from '../support/scenario.ts';
import { ratios } from '../support/stats.ts';

/** All servers, ours first; without those that cannot run here. */
export const servers = ({ ours, rivals }: Settings): Peer[] =>
  [...ours, ...rivals].filter((peer) => peer.missing() === undefined);

/** The same and the C floor. */
export const serversAndFloor = (settings: Settings): Peer[] =>
  floor.missing() === undefined ? [...servers(settings), floor] : servers(settings);

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
