/** Programs that tests use beside Node: left out where they are missing, but never in CI. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';

/** The environment that scripts/install-test-tools.sh makes for Python. */
export const PYTHON = '.cache/python/bin/python';

/** Whether this command ends well; a path that is not there does not. */
export const runs = (program: string, ...args: readonly string[]): boolean =>
  (!program.includes('/') || existsSync(program)) && spawnSync(program, args).status === 0;

/**
 * Leaves the test out, and says why.
 * @throws Error in CI (`CI=true`), where everything has to be installed
 */
export function leaveOut(t: TestContext, missing: string): void {
  const reason = `${missing}: run scripts/install-test-tools.sh`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.skip(reason);
}
