/** Imports point down only. The table is the architecture; a new file takes its place in it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const SRC = new URL('../../../src/', import.meta.url);

/** Lowest first; files of one layer do not import each other. */
const LAYERS = [
  [
    'errors',
    'entry',
    'event-id',
    'frame',
    'timetable',
    'evictions',
    'past-heads',
    'spread',
    'open-files',
    'body',
    'admission',
    'options',
    'logger',
    'line-reader',
    'last-epoch',
    'log-output',
    'origin',
  ],
  [
    'channel-name',
    'log',
    'lineage',
    'notices',
    'uws',
    'address',
    'guards',
    'media-type',
    'form',
    'json-source',
    'keys',
  ],
  [
    'range',
    'retention',
    'claims',
    'snapshot',
    'http',
    'config',
    'request-source',
    'request-head',
    'listener',
    'connections',
    'multipart',
    'start-warnings',
  ],
  ['channel', 'cors', 'exchange', 'fields', 'auth', 'snapshot-format'],
  ['stream'],
  ['flusher', 'channel-index', 'audience', 'snapshot-file', 'snapshot-reader'],
  ['positions'],
  ['hub', 'slices'],
  ['publisher', 'clockwork', 'drain', 'handover'],
  ['requests'],
  ['public-app', 'control-app'],
  ['server'],
  ['cli'],
];

const layerOf = (name: string): number => LAYERS.findIndex((layer) => layer.includes(name));

const importsOf = (file: string): string[] =>
  [...readFileSync(new URL(file, SRC), 'utf8').matchAll(/from '\.\/([a-z-]+)\.ts'/g)].map(
    (match) => match[1]!,
  );

test('layers - every file has its place, and imports only what is below it', () => {
  for (const file of readdirSync(SRC)) {
    const name = file.replace('.ts', '');
    assert.notEqual(layerOf(name), -1, `${file} is in no layer`);
    for (const imported of importsOf(file)) {
      assert.ok(layerOf(imported) < layerOf(name), `${file} must not import ${imported}.ts`);
    }
  }
});

test('layers - the addon is loaded in one file', () => {
  const users = readdirSync(SRC).filter((file) =>
    readFileSync(new URL(file, SRC), 'utf8').includes("'uWebSockets.js'"),
  );
  assert.deepEqual(users, ['uws.ts']);
});

test('layers - files stay short enough to hold in the head', () => {
  for (const file of readdirSync(SRC)) {
    const lines = readFileSync(new URL(file, SRC), 'utf8').split('\n').length;
    assert.ok(lines <= 300, `${file} has ${lines} lines`);
  }
});
