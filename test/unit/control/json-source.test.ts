import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_DEPTH, memberSource } from '../../../src/control/json-source.ts';
import { Random } from '../../support/prng.ts';

const source = (text: string): string | undefined => memberSource(text, 'data');

test('json source - a value is cut out as it was written', () => {
  const values = [
    '9223372036854775807',
    '-0',
    '1e400',
    '1.10',
    'null',
    '"}\\""',
    '"\\\\"',
    '"\\\\\\""',
    '{"2":0,"1":0}',
    '{"a":1,"a":2}',
    '{"data":{"data":1}}',
    '[ "]", {"}":"{"} ,\n 1 ]',
    '"é\\u00e9\\ud800"',
    '{}',
    '[]',
  ];
  for (const value of values)
    for (const [before, after] of [
      ['{"data":', '}'],
      [' {"a":"\\"data\\":1","b":[{"data":0}], "data" :\t', '\n,"c":{}} '],
    ])
      assert.equal(source(`${before}${value}${after}`), value);
});

test('json source - of several members with one name the last counts, however the name is written', () => {
  assert.equal(source('{"data":1,"data":2}'), '2');
  assert.equal(source('{"data":1,"d\\u0061ta":2,"xdata":3,"data\\\\":4}'), '2');
});

test('json source - no such member', () => {
  for (const text of ['{}', ' { } ', '{"a":{"data":1}}', '{"a":"data","Data":1}'])
    assert.equal(source(text), undefined, text);
});

test('json source - nesting has a limit, for the value asked for alone', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`;
  assert.equal(source(`{"data":${nested(MAX_DEPTH)}}`), nested(MAX_DEPTH));
  assert.throws(() => source(`{"data":${nested(MAX_DEPTH + 2)}}`), { code: 'FIELD_INVALID' });
  assert.equal(source(`{"a":${nested(MAX_DEPTH * 2)},"data":1}`), '1');
  assert.equal(source(`{"data":[${'[],'.repeat(2_000)}1]}`)?.length, 6_003);
});

// Texts are compared, not what they parse to: JSON.parse of Node 24.21 may take a key that begins with an
// escape for the key of one backslash, once it has seen an object with that.
test('json source - any object gives for each of its members its text, as it stands', () => {
  const random = new Random();
  const strings = ['', 'data', '"', '\\', '}', ']', ',', ':', '\n', 'é', '\\"', '{"data":1}'];
  const value = (depth: number): unknown => {
    const items = () => Array.from({ length: random.below(4) }, () => value(depth + 1));
    const kind = depth > 3 ? random.below(3) : random.below(5);
    if (kind < 2) return random.pick(strings);
    if (kind === 2) return random.pick([0, -1.5, 1e21, true, null]);
    if (kind === 3) return items();
    return Object.fromEntries(items().map((item) => [random.pick(strings), item]));
  };
  for (let i = 0; i < 2_000; i += 1) {
    const object = Object.fromEntries(strings.slice(0, 8).map((key) => [key, value(0)]));
    const indent = random.pick(['', ' ', '\t']);
    const text = JSON.stringify(object, null, indent);
    for (const [key, member] of Object.entries(object)) {
      // Line ends outside strings are the formatter's, and a member stands one level deeper.
      const expected = JSON.stringify(member, null, indent).replaceAll('\n', `\n${indent}`);
      assert.equal(memberSource(text, key), expected, `seed ${random.seed}: ${text}`);
    }
  }
});
