import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Body } from '../../../src/http/body.ts';

test('body - pieces of any size become the same bytes, up to the limit and not one more', () => {
  for (const size of [1, 7, 5_000, 100_000]) {
    const body = new Body(100_000);
    const whole = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
    for (let at = 0; at < whole.length; at += size)
      assert.ok(body.append(whole.subarray(at, at + size)));
    assert.ok(body.bytes.equals(whole));
    assert.equal(body.append(Buffer.from('x')), false);
    assert.ok(body.bytes.equals(whole));
  }
});

test('body - it takes no more memory than twice what it holds, nor more than its limit', () => {
  const body = new Body(1_000_000);
  for (let i = 1; i <= 999_999; i += 1) {
    body.append(Uint8Array.of(i));
    const { byteLength } = body.bytes.buffer;
    assert.ok(byteLength <= Math.max(4_096, 2 * i) && byteLength <= 1_000_000, `${byteLength}`);
  }
});

test('body - what was appended is a copy: the addon takes its memory back', () => {
  const body = new Body(10);
  const piece = Buffer.from('abc');
  body.append(piece);
  piece.fill('x');
  assert.equal(body.bytes.toString(), 'abc');
});
