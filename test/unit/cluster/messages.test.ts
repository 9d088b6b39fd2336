/** What nodes say to each other: split, put together, and refused when it is not what it should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerShape, questionShape } from '../../../src/cluster/node-questions.ts';
import { Assembly, inParts, MAX_PARTS, PART_BYTES, readPart } from '../../../src/cluster/parts.ts';
import { Misshapen, parseAs } from '../../../src/cluster/shape.ts';

test('parts - an answer of any length comes back whole, in whichever order its parts come', () => {
  for (const length of [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES]) {
    const answer = 'ü'.repeat(length / 2) + 'x'.repeat(length % 2);
    const parts = inParts('node1', answer)!.map(readPart);
    const assembly = new Assembly(parts[0]!.count);
    const whole = parts.reverse().map((part) => assembly.add(part));
    assert.equal(whole.at(-1), answer);
    assert.ok(whole.slice(0, -1).every((one) => one === undefined));
  }
});

test('parts - too many, twice the same, and nonsense', () => {
  assert.equal(inParts('n', 'x'.repeat(MAX_PARTS * PART_BYTES + 1)), undefined);
  const [first] = inParts('n', 'x'.repeat(PART_BYTES * 2))!.map(readPart);
  const assembly = new Assembly(2);
  assert.equal(assembly.add(first!), undefined);
  assert.equal(assembly.add(first!), undefined);
  for (const strange of [
    '',
    '\n',
    'n 0\n',
    'n 1 1\n{}',
    'n 0 65\n{}',
    'n 0 0\n',
    'n 0 1',
    ' 0 1\n',
  ])
    assert.throws(() => readPart(Buffer.from(strange)), Misshapen, strange);
});

test('questions - each is read as it was asked', () => {
  const row = { name: 'news', streams: 1, entries: 0, bytes: 0 };
  const questions = [
    { ask: 'streams', which: { user: 'ann' }, after: 3, afterNode: 'a', limit: 10 },
    { ask: 'account', user: 'ann', id: 'e-1' },
    { ask: 'takers', id: 'e-1', channels: ['news'], users: ['ann'] },
    { ask: 'channels', sort: 'streams', after: row, limit: 100_000, prefix: '' },
    { ask: 'members', channel: 'news', after: 'ann', limit: 1 },
    { ask: 'end', which: { node: 'a', id: 1, channel: 'c' }, retryMs: [1, 2] },
    { ask: 'states', users: ['ann', '__proto__'] },
    { ask: 'revoked', through: 7 },
  ];
  for (const question of questions) {
    const read = parseAs(questionShape, JSON.stringify(question));
    assert.deepEqual(JSON.parse(JSON.stringify(read)), question);
  }
});

test('questions - what is none is refused, and nothing of it is kept', () => {
  const users = Array.from({ length: 1_001 }, (_, i) => `u${i}`);
  for (const strange of [
    'no json',
    null,
    [],
    {},
    { ask: 'constructor' },
    { ask: 'measures' },
    { ask: 'revoke', revocations: [] },
    { ask: 'states' },
    { ask: 'states', users },
    { ask: 'states', users: [1] },
    { ask: 'states', users: ['x'.repeat(257)] },
    { ask: 'members', channel: 'c', limit: 0 },
    { ask: 'members', channel: 'c', limit: 1e9 },
    { ask: 'channels', sort: 'size', limit: 1, prefix: '' },
    { ask: 'end', which: {}, retryMs: [1] },
    { ask: 'end', which: { id: '1' }, retryMs: [1, 2] },
    { ask: 'revoked', through: -1 },
    { ask: 'revoked', through: 2 ** 53 },
  ]) {
    const text = typeof strange === 'string' ? strange : JSON.stringify(strange);
    assert.throws(() => parseAs(questionShape, text), Misshapen, text);
  }
  const more = parseAs(questionShape, '{"ask":"revoked","through":1,"more":true}');
  assert.deepEqual(more, { ask: 'revoked', through: 1 });
});

test('answers - each has its own shape', () => {
  for (const [ask, answer] of [
    ['states', ['online', 'gone']],
    ['end', { count: '1' }],
    ['channels', { rows: [{ name: 'x' }] }],
    ['streams', [{}]],
    ['takers', [{}]],
    ['account', {}],
  ] as const)
    assert.throws(() => answerShape(ask)(answer), Misshapen, ask);
  assert.deepEqual(answerShape('states')(['online', 'away']), ['online', 'away']);
});
