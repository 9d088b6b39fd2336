/** The simplest lines, read without JSON: what is taken means the same as read as JSON, and nothing else is taken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLine } from '../../../src/control/fields.ts';
import { flatEvent } from '../../../src/control/flat-line.ts';
import { parseEmit } from '../../../src/control/requests.ts';
import { TidingsError } from '../../../src/errors.ts';
import type { OutgoingEvent } from '../../../src/publish/publisher.ts';
import { Random } from '../../support/prng.ts';

const CONTEXT = { trace: 'a'.repeat(32), key: { name: 'upload', line: 7 } };

function asJson(line: string): OutgoingEvent | string {
  try {
    return parseEmit(parseLine(line), CONTEXT);
  } catch (error) {
    assert.ok(error instanceof TidingsError, String(error));
    return error.code;
  }
}

/** Whether it was taken. Not taken is never wrong. */
function agrees(line: string, seed = ''): boolean {
  const isAscii = Buffer.byteLength(line) === line.length;
  const flat = flatEvent({ text: line, isAscii }, CONTEXT);
  if (flat === undefined) return false;
  const { bodyBytes, ...event } = flat;
  assert.deepEqual(event, asJson(line), `${line} ${seed}`);
  assert.equal(bodyBytes, isAscii ? Buffer.byteLength(event.body) : undefined);
  return true;
}

test('flat line - what uploads are made of is taken', () => {
  for (const line of [
    '{"userId":"ann","channel":"news","data":{"n":1.10}}',
    '{"userId":"*","channel":"orders/42","event":"invoice","data":[1e400,{"é":"\\ud800"}]}',
    `{"userId":"${'u'.repeat(256)}","channel":"c","event":"","data":{}}`,
  ])
    assert.ok(agrees(line), line);
});

test('flat line - whatever could mean something else is left to JSON', () => {
  for (const line of [
    '{"userId":"ann","channel":"news","data":{},"key":"k"}',
    '{"userId":"ann","channel":"news","data":{},"data":{"n":2}}',
    '{"userId":"ann","channel":"news","data":{},"userId":{"n":2}}',
    '{"userId":"ann","channel":"news","data":{}}}',
    '{"userId":"ann","channel":"news","data":{"a":}}',
    '{"userId":"ann","channel":"news","data":{]}',
    '{"userId":"a\\u006e","channel":"news","data":{}}',
    '{"userId":"","channel":"news","data":{}}',
    `{"userId":"${'u'.repeat(257)}","channel":"news","data":{}}`,
    '{"userId":"ann","channel":"*","data":{}}',
    '{"userId":"ann","channel":"orders/*","data":{}}',
    '{"userId":"ann","channel":"news","event":"tidings.open","data":{}}',
    '{"userId":"ann","channel":"news","event":"a\\n","data":{}}',
    '{"userId":"ann","channel":"news","data":"text"}',
    `{"userId":"ann","channel":"news","data":${'['.repeat(513)}${']'.repeat(513)}}`,
    '{"userId":"ann","channel":"news","data":{}',
    '{"userId":"ann',
  ])
    assert.equal(agrees(line), false, line);
});

const PIECES = [
  ...['{"userId":"', 'ann', '","channel":"', 'news', '","event":"', '","data":', '{"n":1}', '}'],
  ...[
    '"',
    '\\',
    '*',
    '/*',
    ',',
    ':',
    ' ',
    '{',
    '[',
    ']',
    '[]',
    'tidings.',
    '\\u0041',
    'ü',
    '\u0000',
  ],
  ...[
    '"data":1',
    '"key":"k"',
    '"receipt":{"within":1}',
    '"payload":"x"',
    '1e9',
    'null',
    '\r',
    '😀',
  ],
];
const WHOLE = [0, 1, 2, 3, 4, 1, 5, 6, 7].map((at) => PIECES[at]!);

test('flat line - of any line, JSON says the same', () => {
  const random = new Random();
  let taken = 0;
  for (let round = 0; round < 30_000; round += 1) {
    const line = [...WHOLE];
    for (let change = random.below(4); change > 0; change -= 1)
      line.splice(
        random.below(line.length + 1),
        random.below(2),
        PIECES[random.below(PIECES.length)]!,
      );
    if (agrees(line.join(''), `seed ${random.seed}`)) taken += 1;
  }
  assert.ok(taken > 6_000 && taken < 25_000, `${taken} were taken`);
});

const DATA_PIECES = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '-',
    '+',
    '.',
    'e',
    'E',
    '0',
    '1',
    '90',
    ' ',
    '\t',
    '\u007f',
  ],
  ...[
    '\\',
    '\\n',
    '\\u0041',
    'true',
    'false',
    'null',
    'nul',
    '"a"',
    '"b":',
    '"c":1',
    ',"d":"é"',
    '\u0001',
    '"a\u0001b"',
    '"a\tb"',
    'tru',
    'fals',
  ],
];

test('flat line - of any data, JSON says the same', () => {
  const random = new Random();
  let taken = 0;
  for (let round = 0; round < 60_000; round += 1) {
    const members = [
      '{',
      '"a":',
      ['1', '-0.5e+7', '"x y"', 'null', '{}'][random.below(5)]!,
      ',',
      '"b":',
      'true',
      '}',
    ];
    for (let change = random.below(4); change > 0; change -= 1)
      members.splice(
        random.below(members.length + 1),
        random.below(2),
        DATA_PIECES[random.below(DATA_PIECES.length)]!,
      );
    const line = `{"userId":"ann","channel":"news","data":${members.join('')}}`;
    if (agrees(line, `seed ${random.seed}`)) taken += 1;
  }
  assert.ok(taken > 10_000 && taken < 50_000, `${taken} were taken`);
});
