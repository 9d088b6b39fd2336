import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_FORM_FIELDS } from '../../../src/control/form.ts';
import { parseMultipart } from '../../../src/control/multipart.ts';

const part = (head: string, value: string) => `--B\r\n${head}\r\n\r\n${value}\r\n`;
const field = (name: string, value: string) =>
  part(`Content-Disposition: form-data; name="${name}"`, value);
const parse = (text: string) => parseMultipart(text, 'B');

test('multipart - fields in their order, their text untouched', () => {
  const values = ['', 'data: a', '\r\n', 'a\r\n\r\nb\n', 'x--B', ' --B--', 'é\0', 'a=1&b=%20+'];
  const text = values.map((value) => field('payload', value)).join('');
  assert.deepEqual(
    parse(`${text}--B--\r\n`),
    values.map((value) => ['payload', value]),
  );
});

test('multipart - heads as different clients write them', () => {
  const heads = [
    'Content-Disposition: form-data; name="a"',
    'content-disposition:form-data;name=a',
    'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=a',
    'Content-Length: 1\r\nCONTENT-DISPOSITION: form-data; NAME="a"\r\nContent-Transfer-Encoding: 8bit',
    'Content-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name="a"',
  ];
  for (const head of heads) assert.deepEqual(parse(`${part(head, 'x')}--B--`), [['a', 'x']], head);
  const padded =
    'a preamble\r\n--B \t\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\nbehind it';
  assert.deepEqual(parse(padded), [['a', 'x']]);
  assert.deepEqual(parse('--B--\r\n'), []);
});

test('multipart - what is not whole, or not a form, is refused', () => {
  const texts = [
    '',
    'x',
    field('a', 'x'),
    `${field('a', 'x')}--B-`,
    `${part('Content-Type: text/plain', 'x')}--B--`,
    `${part('Content-Disposition: attachment; name="a"', 'x')}--B--`,
    `${part('Content-Disposition: form-data', 'x')}--B--`,
    '--B\r\n\r\nx\r\n--B--',
    '--B\r\nContent-Disposition: form-data; name="a"\r\n--B--',
    `--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--`,
    `${field('a', 'x')}--B--`.replaceAll('\r\n', '\n'),
  ];
  for (const text of texts) assert.throws(() => parse(text), { code: 'BODY_MALFORMED' }, text);
  assert.throws(() => parseMultipart('--\r\n', undefined), { code: 'BODY_MALFORMED' });
});

test('multipart - files, other charsets and transfer encodings are refused by name', () => {
  const refused = (head: string) => () => parse(`${part(head, 'x')}--B--`);
  const named = 'Content-Disposition: form-data; name="payload"';
  assert.throws(refused(`${named}; filename="x.txt"`), { code: 'FIELD_INVALID', message: /files/ });
  assert.throws(refused(`${named}; filename*=utf-8''x`), { code: 'FIELD_INVALID' });
  assert.throws(refused(`${named}\r\nContent-Type: text/plain; charset=windows-1252`), {
    code: 'MEDIA_TYPE_UNSUPPORTED',
    message: /windows-1252/,
  });
  assert.throws(refused(`${named}\r\nContent-Transfer-Encoding: base64`), {
    code: 'MEDIA_TYPE_UNSUPPORTED',
  });
});

test('multipart - the number of fields has a limit', () => {
  const fields = (count: number) => `${field('a', '').repeat(count)}--B--`;
  assert.equal(parse(fields(MAX_FORM_FIELDS)).length, MAX_FORM_FIELDS);
  assert.throws(() => parse(fields(MAX_FORM_FIELDS + 1)), /at most 20000 fields/);
});
