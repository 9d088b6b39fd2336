/**
 * The epoch of the process that has last listened with a snapshot file, in a file beside it. Only what
 * that very process left may be taken: of what happened after an older one, a copy that was put back
 * for instance, nobody who was away would be told.
 */
import { readFileSync, writeFileSync } from 'node:fs';

export const lastEpochPath = (snapshotPath: string): string => `${snapshotPath}.epoch`;

/** Undefined when nobody has been there; what cannot be an epoch fits to no snapshot. */
export function readLastEpoch(snapshotPath: string): string | undefined {
  try {
    return readFileSync(lastEpochPath(snapshotPath), 'utf8').trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** On the disk when it returns. @throws what the file system says */
export function writeLastEpoch(snapshotPath: string, epoch: string): void {
  writeFileSync(lastEpochPath(snapshotPath), `${epoch}\n`, { mode: 0o600, flush: true });
}
