import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_FORM_FIELDS, parseForm } from '../../../src/control/form.ts';
import { Random } from '../../support/prng.ts';

const MALFORMED = { code: 'BODY_MALFORMED' };

test('form - what is UTF-8 is read as URLSearchParams reads it', () => {
  const texts = [
    '',
    '&&',
    '=',
    'a',
    'a=',
    '=b',
    'a=b=c',
    'a=1&a=2',
    'a+b=c+%2B',
    'é=ü',
    '%C3%A9=%F0%9F%98%80',
  ];
  for (const stray of ['%', '%%', '100%', '%zz', '%4', '%4g%41', 'a%=%&b=5%25'])
    texts.push(`x=${stray}`, stray);
  const random = new Random();
  // Raw é is left out: Node's own decoder spoils it beside a stray percent.
  const parts = ['x', '=', '&', '+', '%', '%2', '%41', '%26', '%C3%A9', ' ', '%EF%BF%BD', '[', ']'];
  for (let i = 0; i < 2_000; i += 1)
    texts.push(Array.from({ length: random.below(12) }, () => random.pick(parts)).join(''));
  for (const text of texts)
    assert.deepEqual(
      parseForm(text),
      [...new URLSearchParams(text)],
      `${text} (seed ${random.seed})`,
    );
});

test('form - percent-encoded bytes that are not UTF-8 are refused, in names and in values', () => {
  const bytes = {
    'Latin-1': 'Jos%E9',
    'a lone continuation': '%80',
    'cut off': '%F0%9F%98',
    'cut off before text': '%C3x',
    'overlong in two bytes': '%C0%AF',
    'overlong in three bytes': '%E0%80%AF',
    'half a surrogate pair': '%ED%A0%80',
    'above U+10FFFF': '%F4%90%80%80',
    'no lead byte': '%FF%FE',
    'beside a stray percent': '%zz%E9',
  };
  for (const [kind, text] of Object.entries(bytes)) {
    assert.throws(() => parseForm(`a=1&userId=${text}`), MALFORMED, kind);
    assert.throws(() => parseForm(`${text}=a`), MALFORMED, kind);
  }
});

test('form - the number of fields has a limit', () => {
  assert.equal(parseForm('a=&'.repeat(MAX_FORM_FIELDS - 1)).length, MAX_FORM_FIELDS - 1);
  assert.throws(() => parseForm('a=&'.repeat(MAX_FORM_FIELDS)), /at most 20000 fields/);
});
