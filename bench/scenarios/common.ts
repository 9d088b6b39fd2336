/** What several scenarios do alike. */
import type { Peer } from '../support/peer.ts';
import type { Sheet } from '../support/scenario.ts';
import { ratios } from '../support/stats.ts';

/** Leaves out what cannot run here, and says so in the notes. */
export function available(sheet: Sheet, peers: readonly Peer[]): Peer[] {
  return peers.filter((peer) => {
    const reason = peer.missing();
    if (reason !== undefined) sheet.notes.add(`${peer.name} left out: ${reason}`);
    return reason === undefined;
  });
}

/** Adds `a / b` round by round; nothing when `b` was left out. */
export function addRatios(sheet: Sheet, a: string, b: string, metric: string): void {
  const below = sheet.samples(b, metric);
  if (below.length === 0) return;
  for (const ratio of ratios(sheet.samples(a, metric), below)) {
    sheet.add(`${a} / ${b}`, metric, '×', ratio);
  }
}
