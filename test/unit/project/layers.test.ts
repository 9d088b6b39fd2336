/** Imports point down only. The list of folders is the architecture; a file takes its place by its folder. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../../../src/', import.meta.url));

/** Highest first; folders of one line do not import each other. Files at the top have a line like folders. */
const LAYERS = [
  ['cli.ts'],
  ['process'],
  ['threads'],
  ['front', 'openapi'],
  ['config'],
  ['control', 'public', 'metrics', 'webhooks'],
  ['cluster'],
  ['presence', 'nats'],
  ['publish', 'hub', 'auth', 'http'],
  ['log'],
  ['wire'],
  ['logger.ts', 'tally.ts', 'version.ts'],
  ['errors.ts'],
];

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

const textOf = (file: string): string => readFileSync(join(SRC, file), 'utf8');
const roomOf = (file: string): string => file.split('/')[0]!;
const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.includes(roomOf(file)));

const importsOf = (file: string): string[] =>
  [...textOf(file).matchAll(/from '(\.\.?\/[a-z0-9./-]+\.ts)'/g)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );

test('layers - every file has its place, and imports only what is in its folder or below', () => {
  for (const file of FILES) {
    assert.notEqual(layerOf(file), -1, `${file} is in no layer`);
    for (const imported of importsOf(file)) {
      if (roomOf(imported) === roomOf(file)) continue; // the linter refuses cycles
      assert.ok(layerOf(imported) > layerOf(file), `${file} must not import ${imported}`);
    }
  }
});

test('layers - the addon is loaded in one file', () => {
  const users = FILES.filter((file) => textOf(file).includes("'uWebSockets.js'"));
  assert.deepEqual(users, ['http/uws.ts']);
});

test('layers - files stay short enough to hold in the head', () => {
  for (const file of FILES) {
    const lines = textOf(file).split('\n').length;
    assert.ok(lines <= 300, `${file} has ${lines} lines`);
  }
});

test('layers - the reading order of docs/architecture.md names every file', () => {
  const page = readFileSync(join(SRC, '../docs/architecture.md'), 'utf8');
  const order = page.slice(page.indexOf('## Reading order'));
  for (const file of FILES) {
    const name = basename(file, '.ts');
    assert.ok(order.includes(`\`${name}\``), `${file} is not in the reading order`);
  }
});
