import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeEvent,
  encodeRaw,
  encodeRetry,
  encodeSystemEvent,
  stamp,
} from '../../../src/wire/frame.ts';

const raw = (payload: string) => stamp(encodeRaw(payload), 'e-1').toString();

test('frame - a raw payload goes out untouched, its id last', () => {
  assert.equal(raw('data: a'), 'data: a\nid: e-1\n\n');
  assert.equal(raw('your_data'), 'your_data\nid: e-1\n\n');
});

test('frame - line ends inside a payload become LF', () => {
  assert.equal(raw('id: 9\r\ndata: a\rdata: b'), 'id: 9\ndata: a\ndata: b\nid: e-1\n\n');
  assert.equal(raw('a\r\r\nb\n\rc\r\n\r\nd'), 'a\n\nb\n\nc\n\nd\nid: e-1\n\n');
});

test('frame - line ends at the end of a payload are folded into the frame', () => {
  for (const end of ['\n', '\r', '\r\n', '\n\n\n', '\r\r', '\n\r\n']) {
    assert.equal(raw(`data: a${end}`), 'data: a\nid: e-1\n\n');
  }
});

test('frame - an empty payload is only its id', () => {
  assert.equal(raw(''), 'id: e-1\n\n');
  assert.equal(raw('\n\n'), 'id: e-1\n\n');
});

test('frame - structured data is split into data lines at every kind of line end', () => {
  const text = (data: string, event?: string) => stamp(encodeEvent(data, event), 'e-2').toString();
  assert.equal(text('a\nb\rc\r\nd'), 'data: a\ndata: b\ndata: c\ndata: d\nid: e-2\n\n');
  assert.equal(text(''), 'data: \nid: e-2\n\n');
  assert.equal(text('a\n'), 'data: a\ndata: \nid: e-2\n\n');
  assert.equal(text('x', 'tick'), 'event: tick\ndata: x\nid: e-2\n\n');
  assert.equal(text('x', ''), 'data: x\nid: e-2\n\n');
  assert.equal(text('$& $1'), 'data: $& $1\nid: e-2\n\n');
});

test('frame - what is not Unicode becomes U+FFFD', () => {
  assert.equal(
    stamp(encodeEvent('\ud800', undefined), 'e-3').toString(),
    'data: \ufffd\nid: e-3\n\n',
  );
});

test('frame - system events carry the id they are given', () => {
  const gap = 'event: tidings.gap\ndata: {"after":"e-1"}\n';
  assert.equal(encodeSystemEvent('gap', { after: 'e-1' }, 'e-2'), `${gap}id: e-2\n\n`);
  assert.equal(encodeSystemEvent('gap', { after: 'e-1' }, undefined), `${gap}\n`);
});

test('frame - retry is digits only', () => {
  assert.equal(encodeRetry(1234.56), 'retry: 1235\n');
});
