/** What goes into NATS, and what is made of what comes out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { epochOf, recordFor } from '../../src/nats/epoch-record.ts';
import { decodeRecord, encodeRecord } from '../../src/nats/event-record.ts';
import { subjectOf, tokensOf } from '../../src/nats/subjects.ts';
import { isEpoch } from '../../src/wire/event-id.ts';

const EVENT = { channels: ['a', 'b/c'], body: 'data: é\n\n:x\n', origin: 'me', ticket: 7 };

test('event record - comes back as it was, whoever it is for', () => {
  for (const to of [undefined, 'ann', new Set(['ann', 'bob'])]) {
    const event = { ...EVENT, to, trace: 'f'.repeat(32) };
    assert.deepEqual(decodeRecord(encodeRecord(event)), event);
  }
});

test('event record - what is not one is not taken for one', () => {
  for (const text of [
    '',
    'x',
    '{}\n',
    '[]\nx',
    '{"v":2,"c":["a"],"u":null,"o":"me","i":1}\nx',
    '{"v":1,"c":[],"u":null,"o":"me","i":1}\nx',
    '{"v":1,"c":["a"],"u":[1],"o":"me","i":1}\nx',
    '{"v":1,"c":["a"],"u":null,"o":1,"i":1}\nx',
    '{"v":1,"c":["a"],"u":null,"o":"me","i":1}',
  ])
    assert.equal(decodeRecord(Buffer.from(text)), undefined, text);
});

test('subjects - a slash is a level, and no two names have one subject', () => {
  assert.equal(subjectOf(['orders/17']), 'tidings.e.c.orders.17');
  assert.equal(subjectOf(['a', 'b']), 'tidings.e.m');
  assert.equal(tokensOf('Zoë > *'), 'Zo=C3=AB=20=3E=20=2A');
  const names = ['a.b', 'a/b', 'a=2Eb', '', '/', '//', '=00', 'a', 'a/', '/a'];
  assert.equal(new Set(names.map(tokensOf)).size, names.length);
  for (const name of names) assert.match(tokensOf(name), /^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/);
});

test('epoch - another stream, and one that has gone back, have another', () => {
  const first = recordFor({ created: 1_000, first: 1, last: 5 }, undefined);
  const later = recordFor({ created: 1_000, first: 1, last: 9 }, first);
  const back = recordFor({ created: 1_000, first: 1, last: 8 }, later);
  const behindSeen = recordFor({ created: 1_000, first: 1, last: 9 }, later, 10);
  const other = recordFor({ created: 2_000, first: 1, last: 9 }, back);

  assert.equal(epochOf(later), epochOf(first));
  const epochs = [first, back, other].map(epochOf);
  assert.equal(new Set(epochs).size, 3);
  assert.equal(epochOf(behindSeen), epochOf(back));
  assert.ok(epochs.every(isEpoch));
});
