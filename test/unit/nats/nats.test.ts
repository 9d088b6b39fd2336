/** What goes into NATS, and what is made of what comes out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EpochKeeper, epochOf, recordFor } from '../../../src/nats/epoch-record.ts';
import { decodeRecord, encodeRecord } from '../../../src/nats/event-record.ts';
import { likenessOf } from '../../../src/nats/first-of-key.ts';
import { subjectOf, tokensOf } from '../../../src/nats/subjects.ts';
import { isEpoch } from '../../../src/wire/event-id.ts';

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

/** A record with compare-and-set, and a stream that others write to while this node asks. */
function fakeRecord() {
  let stored: { text: string; revision: number } | undefined;
  const jsm = {
    streams: {
      getMessage: async () =>
        stored === undefined
          ? null
          : { string: () => stored!.text, seq: stored.revision, ...stored },
    },
  };
  const js = {
    publish: async (_: string, text: string, options: { expect: Record<string, number> }) => {
      const { lastSubjectSequence } = options.expect;
      if (lastSubjectSequence !== (stored?.revision ?? 0)) throw new Error('somebody was faster');
      stored = { text, revision: (stored?.revision ?? 0) + 1 };
    },
  };
  return () => new EpochKeeper(jsm as never, js as never);
}

test('epoch - another node that wrote of a later number meanwhile is no stream that has gone back', async () => {
  const newKeeper = fakeRecord();
  const [a, b] = [newKeeper(), newKeeper()];
  let last = 5_000;
  const facts = async () => ({ created: 1_000, first: 1, last });
  const epoch = epochOf(await a.update(facts));
  // While A waits for the facts, B writes what is true by then.
  const slow = async () => {
    const told = await facts();
    last = 5_010;
    await b.update(facts);
    return told;
  };
  await a.update(slow).catch(() => {});
  assert.equal(epochOf(await a.update(facts)), epoch);
  last = 5_020;
  assert.equal(epochOf(await b.update(facts)), epoch);
});

test('epoch - two nodes that see the same going back make one new epoch of it', async () => {
  const newKeeper = fakeRecord();
  const [a, b] = [newKeeper(), newKeeper()];
  const at = (last: number) => async () => ({ created: 1_000, first: 1, last });
  const epoch = epochOf(await a.update(at(10)));
  const first = epochOf(await a.update(at(8), { epoch, seen: 10 }));
  const second = epochOf(await b.update(at(9), { epoch, seen: 10 }));
  assert.notEqual(first, epoch);
  assert.equal(second, first);
});

test('keys - what is stored is this emit, the same from another, or another event', () => {
  const event = { to: 'ann', channels: ['a', 'b'], body: 'data: x\n' };
  const record = { ...event, origin: 'here', ticket: 7 };
  const keyed = { event, origin: 'here', ticket: 7 };
  const stored = encodeRecord(record);
  assert.equal(likenessOf(stored, keyed), 'own');
  assert.equal(likenessOf(stored, { ...keyed, ticket: 8 }), 'same');
  assert.equal(likenessOf(stored, { ...keyed, origin: 'elsewhere' }), 'same');
  assert.equal(likenessOf(undefined, keyed), 'same', 'dropped');
  for (const other of [
    { ...event, body: 'data: y\n' },
    { ...event, to: undefined },
    { ...event, channels: ['b', 'a'] },
  ])
    assert.equal(likenessOf(stored, { ...keyed, ticket: 8, event: other }), 'other');
  const users = { ...event, to: new Set(['ann', 'bob']) };
  const many = encodeRecord({ ...users, origin: 'here', ticket: 1 });
  assert.equal(likenessOf(many, { ...keyed, event: users }), 'same');
});
