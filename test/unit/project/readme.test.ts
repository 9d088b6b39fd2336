/** What is public is documented, or it is not released. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { optionsMarkdown } from '../../../src/config/options.ts';
import { ERROR_STATUS } from '../../../src/errors.ts';
import { metricsMarkdown } from '../../../src/metrics/catalogue.ts';

const ROOT = new URL('../../../../', import.meta.url);
const REFERENCE = readFileSync(new URL('docs/reference.md', ROOT), 'utf8');

test('reference - the option table is that of the code', () => {
  assert.ok(REFERENCE.includes(optionsMarkdown()), 'run `npm run docs`');
});

test('operations - the table of metrics is that of the code', () => {
  const page = readFileSync(new URL('docs/operations.md', ROOT), 'utf8');
  assert.ok(page.includes(metricsMarkdown()), 'run `npm run docs`');
});

test('reference - names every error code', () => {
  for (const code of Object.keys(ERROR_STATUS)) assert.ok(REFERENCE.includes(`\`${code}\``), code);
});

test('reference - names every header that is sent', () => {
  for (const file of ['http/answer', 'http/cors', 'public/public-app', 'control/control-app']) {
    const source = readFileSync(new URL(`src/${file}.ts`, ROOT), 'utf8');
    for (const [, name] of source.matchAll(/\['([A-Z][A-Za-z-]+)',/g))
      assert.ok(REFERENCE.includes(name!), `${name} of ${file}.ts`);
  }
});
