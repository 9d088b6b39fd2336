/** What a node says of those who come and go: gathered, and numbered without holes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Bulletin,
  Bulletins,
  bulletinShape,
  MAX_CHANGES,
} from '../../../src/cluster/bulletins.ts';
import { Misshapen, parseAs } from '../../../src/cluster/shape.ts';

test('bulletins - changes go together, in order, at most so many in one', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const sent: Bulletin[] = [];
  const bulletins = new Bulletins('a', (bulletin) => sent.push(bulletin));
  const note = (i: number) => bulletins.note({ what: 'user', name: `u${i}`, isHere: i % 2 === 0 });
  note(0);
  note(1);
  assert.equal(sent.length, 0);
  t.mock.timers.tick(200);
  bulletins.flush();
  for (let i = 2; i <= MAX_CHANGES + 2; i += 1) note(i);
  bulletins.flush();
  assert.deepEqual(
    sent.map(({ node, n, changes }) => [node, n, changes.length]),
    [
      ['a', 1, 2],
      ['a', 2, MAX_CHANGES],
      ['a', 3, 1],
    ],
  );
  assert.equal(bulletins.newest, 3);
  const names = sent.flatMap(({ changes }) => changes.map(({ name }) => name));
  assert.deepEqual(
    names,
    names.map((_, i) => `u${i}`),
  );
  for (const bulletin of sent)
    assert.deepEqual(parseAs(bulletinShape, JSON.stringify(bulletin)), bulletin);
});

test('bulletins - what is none is refused', () => {
  const change = { what: 'user', name: 'ann', isHere: true };
  const whole = { node: 'a', n: 1, changes: [change] };
  parseAs(bulletinShape, JSON.stringify(whole));
  for (const strange of [
    { ...whole, n: -1 },
    { ...whole, node: 1 },
    { ...whole, changes: {} },
    { ...whole, changes: [{ ...change, what: 'thread' }] },
    { ...whole, changes: [{ ...change, name: 'x'.repeat(257) }] },
    { ...whole, changes: [{ ...change, isHere: 1 }] },
    { ...whole, changes: Array.from({ length: MAX_CHANGES + 1 }, () => change) },
  ])
    assert.throws(() => parseAs(bulletinShape, JSON.stringify(strange)), Misshapen);
});
