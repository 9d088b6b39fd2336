/** A body in pieces: nothing lost, nothing twice, and no more of it in memory than was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyPieces } from '../../../src/http/body-pieces.ts';

const bytes = (text: string): ArrayBuffer => new TextEncoder().encode(text).buffer as ArrayBuffer;

function start() {
  const calls: string[] = [];
  const res = { pause: () => calls.push('pause'), resume: () => calls.push('resume') };
  return { calls, pieces: new BodyPieces(res, { silenceMs: undefined }) };
}

test('body pieces - what nobody has asked for pauses the sender once, and is one piece', async () => {
  const { calls, pieces } = start();
  for (const text of ['a', 'b', '', 'c']) pieces.push(bytes(text));
  assert.deepEqual(calls, ['pause']);
  assert.equal(String(await pieces.next()), 'abc');
  assert.deepEqual(calls, ['pause'], 'there is no need for more yet');
  const next = pieces.next();
  assert.deepEqual(calls, ['pause', 'resume']);
  pieces.push(bytes('d'));
  assert.equal(String(await next), 'd');
  assert.deepEqual(calls, ['pause', 'resume'], 'it was waited for');
});

test('body pieces - behind the last one the connection is read again', async () => {
  const { calls, pieces } = start();
  pieces.push(bytes('a'));
  pieces.end();
  assert.equal(pieces.isWhole, false);
  assert.equal(String(await pieces.next()), 'a');
  assert.equal(await pieces.next(), undefined);
  assert.equal(pieces.isWhole, true);
  assert.deepEqual(calls, ['pause', 'resume']);
});

test('body pieces - cut: what came before is given, and the response is let alone', async () => {
  const { calls, pieces } = start();
  pieces.push(bytes('a'));
  pieces.cut();
  pieces.push(bytes('b'));
  assert.equal(String(await pieces.next()), 'a');
  assert.equal(await pieces.next(), undefined);
  assert.equal(pieces.isWhole, false);
  assert.deepEqual(calls, ['pause']);
  const waiting = start();
  const next = waiting.pieces.next();
  waiting.pieces.cut();
  assert.equal(await next, undefined);
});

test('body pieces - a piece is a copy: the addon takes its memory back', async () => {
  const { pieces } = start();
  const next = pieces.next();
  for (const text of ['abc', 'def']) {
    const chunk = bytes(text);
    pieces.push(chunk);
    new Uint8Array(chunk).fill(120);
  }
  assert.equal(String(await next), 'abc');
  assert.equal(String(await pieces.next()), 'def');
});

test('body pieces - one that stops coming is cut after a silence, but not while it is paused', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const res = { pause: () => {}, resume: () => {} };
  const pieces = new BodyPieces(res, { silenceMs: 5_000 });
  const first = pieces.next();
  t.mock.timers.tick(4_999);
  pieces.push(bytes('a'));
  assert.equal(String(await first), 'a');
  t.mock.timers.tick(60_000);
  pieces.push(bytes('b'));
  assert.equal(String(await pieces.next()), 'b');
  const last = pieces.next();
  t.mock.timers.tick(5_000);
  assert.equal(await last, undefined);
  assert.equal(pieces.isWhole, false);
});

test('body pieces - one that is worked on stays as it is while others come', async () => {
  const { pieces } = start();
  pieces.push(bytes('abc'));
  const first = await pieces.next();
  pieces.push(bytes('def'));
  pieces.push(bytes('ghi'));
  assert.equal(String(first), 'abc');
  assert.equal(String(await pieces.next()), 'defghi');
  const waited = pieces.next();
  pieces.push(bytes('jk'));
  const third = await waited;
  pieces.push(bytes('lmnop'));
  assert.equal(String(third), 'jk');
});
