/** What the server keeps of each user, so as to know who is there. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { OURS } from '../support/ratios.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';

const USERS = 100_000;

/** With as many as the heap is measured with, what pages and tables round up is a byte or two for each. */
const USERS_LEAST = 20_000;

const PROGRAM = fileURLToPath(new URL('../support/presence-heap.js', import.meta.url));

const run = async ({ runs, scale, log }: Settings): Promise<Result> => {
  const sheet = new Sheet();
  const users = Math.max(USERS_LEAST, Math.round(USERS * scale));
  for (let round = 0; round < runs; round++) {
    const args = ['--expose-gc', PROGRAM, String(users)];
    const told = execFileSync(process.execPath, args, { encoding: 'utf8' });
    const bytes = JSON.parse(told) as Record<string, number>;
    for (const [metric, count] of Object.entries(bytes)) sheet.add(OURS, metric, 'B', count);
    log(told.trim());
  }
  return { rows: sheet.rows(), targets: [], notes: [...sheet.notes] };
};

export const presence: Scenario = {
  name: 'presence',
  title: 'Memory of presence, for each user with one stream',
  how:
    `The heap of a process of its own before and after it is told of ${USERS.toLocaleString('en')} users, each time after a whole collection. A user who is online is in two tables: by whose name its streams are found, and by which the process knows that it is there. ` +
    'With threads the second has a copy of the name. One that has left is in a third for `-grace` seconds.',
  run,
};
