/**
 * Proof that the benchmark can fail: our own server with a needless second `send` for every delivery. The nudge behind
 * a flush, otherwise in the same `send`, goes out by itself; the bytes stay the same.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ROOT } from '../support/build.ts';
import type { Peer } from '../support/peer.ts';
import { tidingsAt } from './tidings.ts';

const NAME = 'tidings, two sends';
const ONE_SEND = 'sink.cork(writeCorked);';
const TWO_SENDS = `isNudged = false;
    sink.cork(writeCorked);
    if (isTaken && withNudge) {
        corkedBytes = COMMENT;
        sink.cork(writeCorked);
    }`;

/** Throws unless the source holds exactly one such line: a slowdown that silently is none would prove nothing. */
export function slowDown(source: string): string {
  const parts = source.split(ONE_SEND);
  if (parts.length !== 2)
    throw new Error(`${parts.length - 1} × "${ONE_SEND}" in the stream, not 1`);
  return parts.join(TWO_SENDS);
}

export const slowed: Peer = {
  ...tidingsAt(NAME, ''),
  settings: 'as tidings, but its build is patched to `send` twice for every delivery',
  start(owner) {
    // Beside dist/src, so that dependencies and static files are found as from there.
    const folder = mkdtempSync(`${ROOT}dist/slowed-`);
    owner.after(() => rmSync(folder, { recursive: true }));
    cpSync(`${ROOT}dist/src`, folder, { recursive: true });
    const stream = `${folder}/stream.js`;
    writeFileSync(stream, slowDown(readFileSync(stream, 'utf8')));
    return tidingsAt(NAME, `${folder}/cli.js`).start(owner);
  },
};
