import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkName, nameFault } from '../../../src/auth/names.ts';

test('names - characters that leave nothing to see are refused wherever they stand', () => {
  const invisible = [
    '\0\t\n\r\u001b\u007f\u0085', // control
    '\u00ad\u061c\u200b\u200d\u202e\u2066\u2060\ufeff\ufff9\u{e0041}', // format
    '\ufe0f\ufe00\u{e0100}\u034f\u115f\u1160\u17b4\u180b\u3164\uffa0', // ignored by renderers
    '\u00a0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000', // white space
    '\ufffd\udc00\ud800', // what is left of other characters
  ];
  for (const character of invisible.flatMap((text) => text.match(/./gsu) ?? []))
    for (const name of [character, `a${character}b`, `${character}a`, `a${character}`])
      assert.match(nameFault(name) ?? '', /^must not contain/, JSON.stringify(name));
});

test('names - plain spaces stand between other characters only', () => {
  assert.equal(nameFault('a b  c'), undefined);
  for (const name of [' ', ' a', 'a ', '   ']) assert.match(nameFault(name) ?? '', /spaces/);
});

test('names - the printable characters of ASCII are fine, and no others', () => {
  for (let code = 0; code < 256; code += 1) {
    const name = `a${String.fromCharCode(code)}`;
    const isFine = (code > 32 && code < 127) || (code > 160 && code !== 173);
    assert.equal(nameFault(name) === undefined, isFine, JSON.stringify(name));
  }
  for (const [name, fault] of [
    ['a'.repeat(256), undefined],
    ['a'.repeat(257), 'must be at most 256 bytes'],
    ['ä'.repeat(129), 'must be at most 256 bytes'],
  ] as const)
    assert.equal(nameFault(name), fault);
});

test('names - every script, accents, signs and emoji of one code point are fine', () => {
  for (const name of [
    'José',
    'Jose\u0301',
    'Ωμέγα',
    'Привет',
    '東京',
    'مرحبا',
    'नमस्ते',
    '😀',
    '€',
    '#a/b:c@d',
    '__proto__',
  ])
    assert.equal(nameFault(name), undefined, name);
});

test('names - a whole number that a double holds exactly stands for its digits', () => {
  const names: [number, string][] = [
    [42, '42'],
    [0, '0'],
    [-0, '0'],
    [-7, '-7'],
    [1e3, '1000'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ];
  for (const [value, name] of names) assert.equal(checkName('userId', value), name);
  for (const value of [2 ** 53, -(2 ** 53), 1e21, 1.5, Infinity, Number.NaN])
    assert.throws(() => checkName('userId', value), {
      code: 'FIELD_INVALID',
      message: /^userId as a number must be whole/,
    });
  for (const value of [true, null, {}, [1], 42n])
    assert.throws(() => checkName('userId', value), /^TidingsError: userId must be a string/);
});
