/** What is public is documented, or it is not released. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { optionsMarkdown } from '../../src/config/options.ts';
import { ERROR_STATUS } from '../../src/errors.ts';

const ROOT = new URL('../../../', import.meta.url);
const README = readFileSync(new URL('README.md', ROOT), 'utf8');

test('readme - the option table is that of the code', () => {
  assert.ok(README.includes(optionsMarkdown()), 'run `npm run docs`');
});

test('readme - names every error code', () => {
  for (const code of Object.keys(ERROR_STATUS)) assert.ok(README.includes(`\`${code}\``), code);
});

test('readme - names every header that is sent', () => {
  for (const file of ['http/answer', 'http/cors', 'public/public-app', 'control/control-app']) {
    const source = readFileSync(new URL(`src/${file}.ts`, ROOT), 'utf8');
    for (const [, name] of source.matchAll(/\['([A-Z][A-Za-z-]+)',/g))
      assert.ok(README.includes(name!), `${name} of ${file}.ts`);
  }
});
