/** A file line by line, however large it is: no more of it is in memory than a block and a line. */
import { constants } from 'node:buffer';
import { readSync } from 'node:fs';

/** Bytes of one read. */
const BLOCK_BYTES = 1_048_576;

/** Longest line in bytes: more does not fit into a string. */
const MAX_LINE_BYTES = constants.MAX_STRING_LENGTH;

const LF = 0x0a;

/**
 * The lines of an open file, each with its line end; only the last may be without. A line is good until
 * the next one is asked for. @throws what `readSync` throws, and RangeError for a line that is too long
 */
export function* readLines(file: number, blockBytes = BLOCK_BYTES): Generator<Buffer> {
  const block = Buffer.allocUnsafeSlow(blockBytes);
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for (;;) {
    const filled = block.subarray(0, readSync(file, block, 0, blockBytes, null));
    if (filled.length === 0) break;
    let at = 0;
    for (let end = filled.indexOf(LF); end !== -1; end = filled.indexOf(LF, at)) {
      const rest = filled.subarray(at, end + 1);
      yield begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      begunBytes = 0;
      at = end + 1;
    }
    begun.push(Buffer.from(filled.subarray(at))); // a copy: the block is read into again
    begunBytes += filled.length - at;
    if (begunBytes > MAX_LINE_BYTES) throw new RangeError('a line is too long');
  }
  if (begunBytes > 0) yield Buffer.concat(begun);
}
