/**
 * Runs test files, each in a process of its own:
 *   node scripts/run-files.mjs RECORD SIDE_BY_SIDE TIMEOUT_MS FILE...
 * The longest begin first, as the last to begin is waited for alone; `node --test` goes by names.
 * What people read goes to standard output, the record in TAP to the file RECORD.
 */
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec as Spec, tap } from 'node:test/reporters';

/** Those of ten seconds and more where files run side by side, longest first. Nothing but time depends on it. */
const LONGEST = [
  'http/schemathesis',
  'http/compat-door',
  'http/issuer',
  'http/lifetime',
  'clients/eventsource-client',
  'clients/eventsource',
  'clients/fetch-event-source',
  'clients/python',
  'clients/resume',
  'recipes/pages',
  'conformance/fuzz',
  'http/rendered-pages',
  'http/presence-model',
  'security/start',
  'security/slow-requests',
  'security/hostile-requests',
  'http/two-doors',
  'conformance/quiet',
  'conformance/framing',
  'unit/auth/issuer',
  'security/claims',
  'http/webhooks',
  'security/clock',
  'cluster/ledger',
  'browser/native',
  'browser/prime',
  'process/leave',
  'browser/polyfill',
  'cluster/webhooks',
  'proxy/delivery',
  'proxy/stalled',
  'proxy/idle',
  'process/cli',
];

const [record, sideBySide, timeoutMs, ...files] = process.argv.slice(2);

/** Its place among the longest; the others come after them, in the order they are named. */
function placeOf(file) {
  const place = LONGEST.findIndex((name) => file.endsWith(`/${name}.test.js`));
  return place < 0 ? LONGEST.length : place;
}

const tests = run({
  files: files.toSorted((a, b) => placeOf(a) - placeOf(b)).map((file) => resolve(file)),
  concurrency: Number(sideBySide),
  timeout: Number(timeoutMs),
});
tests.on('test:fail', () => {
  process.exitCode = 1;
});
tests.compose(new Spec()).pipe(process.stdout);
tests.compose(tap).pipe(createWriteStream(record));
