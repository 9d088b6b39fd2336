/**
 * Every endpoint of the control port is called as `/openapi.json` says it may be, and as it may not, and its
 * answers are compared with what the document says of them, by schemathesis. Its view of the document
 * differs from the document in how names are spelt: see `forSchemathesis`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runClient } from '../support/client-process.ts';
import { contractOf, forSchemathesis } from '../support/contract.ts';
import { startServer } from '../support/server.ts';
import { bearer } from '../support/tokens.ts';
import { leaveOut, PYTHON, runs } from '../support/tools.ts';

const HAS_SCHEMATHESIS = runs(PYTHON, '-c', 'import schemathesis');

/** Requests made up for each endpoint, and the seed they come from: the same ones in every run. */
const RULES = [
  ...['--max-examples', '15', '--seed', '1', '--generation-deterministic'],
  // These are about how quickly values are made, which is a matter of the machine.
  ...['--suppress-health-check', 'all'],
];

/** Bytes of UTF-8 that one character may have: so many fewer of them always fit. */
const BYTES_PER_CHARACTER = 4;

/** A level of log lines. */
const ERROR = 50;

const DOCUMENT = 'openapi.json';

const MODES = [
  { mode: 'positive', maxLength: 256 / BYTES_PER_CHARACTER, not: [] },
  // A request that could not be spoilt is a good one, and its names may have too many bytes.
  { mode: 'negative', maxLength: undefined, not: ['positive_data_acceptance'] },
];

test('schemathesis - the control port is as its document says', { timeout: 300_000 }, async (t) => {
  if (!HAS_SCHEMATHESIS) return leaveOut(t, 'no Python with schemathesis');
  const { controlUrl, log } = await startServer(t, ['-ctl-token', 'secret', '-dev']);
  const contract = await contractOf(controlUrl, bearer('secret'));
  // Side by side: each waits for some seconds for an answer to what no server answers.
  await Promise.all(
    MODES.map(async ({ mode, maxLength, not }) => {
      const folder = folderWith(t, JSON.stringify(forSchemathesis(contract, maxLength)));
      const checks = not.flatMap((check) => ['--exclude-checks', check]);
      const count = await pass(t, folder, ['--url', controlUrl, '--mode', mode, ...checks]);
      t.diagnostic(`${count} requests, ${mode}`);
      assert.ok(count > 100, `${count} requests, ${mode}`);
    }),
  );
  assert.deepEqual(
    log.filter(({ level }) => Number(level) >= ERROR),
    [],
  );
});

/** How many requests it made, none of which it found fault with. */
async function pass(t: TestContext, folder: string, args: readonly string[]): Promise<number> {
  let said = '';
  // It leaves what it found wrong where it runs.
  const run = ['env', '-C', folder, resolve(PYTHON), '-m', 'schemathesis.cli', 'run'] as const;
  const program = runClient(t, [...run, DOCUMENT, ...args, ...RULES, ...PLACE], (text) => {
    said += text;
  });
  assert.equal(await program.exited(280_000), 0, `${said}\n${program.stderr()}`);
  return Number(/ (\d+) generated, \1 passed/.exec(said)?.[1]);
}

// Streams are on the other port, and do not end.
const PLACE = [
  ...['--exclude-path', '/events/', '--header', 'Authorization: Bearer secret'],
  ...['--request-timeout', '5', '--no-color'],
];

function folderWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, DOCUMENT), text);
  return folder;
}
