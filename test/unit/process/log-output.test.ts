import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogOutput, MAX_WAITING_BYTES } from '../../../src/process/log-output.ts';
import { eventually } from '../../support/wait.ts';

/** A place for a log with room for so many bytes, and an error for what is beyond. */
class Place {
  room = Number.POSITIVE_INFINITY;
  text = '';
  tries = 0;
  code = 'EAGAIN';

  readonly write = (_fd: number, bytes: Uint8Array): number => {
    this.tries += 1;
    const taken = Math.min(this.room, bytes.length);
    if (taken === 0) throw Object.assign(new Error(this.code), { code: this.code });
    this.room -= taken;
    this.text += Buffer.from(bytes.subarray(0, taken)).toString('latin1');
    return taken;
  };

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

const outputOf = (place: Place): LogOutput => new LogOutput({ fd: 2, write: place.write });

for (const code of ['EAGAIN', 'ENOSPC', 'EPIPE', 'EIO']) {
  test(`log output - ${code}: lines wait, are tried again, and stay whole and in order`, async () => {
    const place = new Place();
    place.code = code;
    const output = outputOf(place);
    output.write('one\n');
    assert.equal(place.text, 'one\n', 'at once');
    place.room = 2;
    output.write('two\n');
    output.write('three\n');
    assert.equal(place.text, 'one\ntw');
    place.room = Number.POSITIVE_INFINITY;
    await eventually(() => place.text === 'one\ntwo\nthree\n', { what: 'the next try' });
    output.write('four\n');
    assert.equal(place.text, 'one\ntwo\nthree\nfour\n');
  });
}

test('log output - waiting lines are bounded, the rest counted and told where it is missing', () => {
  const place = new Place();
  const output = outputOf(place);
  place.room = 0;
  const line = `${'x'.repeat(1_023)}\n`;
  const fitting = MAX_WAITING_BYTES / line.length;
  for (let i = 0; i < fitting + 7; i += 1) output.write(line);
  assert.ok(place.tries <= 2, `${place.tries} tries while nothing is taken`);
  place.room = 2_048;
  output.flush();
  output.write('later\n');
  place.room = Number.POSITIVE_INFINITY;
  output.flush();
  output.write('last\n');
  const { lines } = place;
  assert.equal(lines.length, fitting + 3);
  const told = JSON.parse(lines[fitting]!) as Record<string, unknown>;
  assert.deepEqual([told['level'], told['dropped']], [40, 7]);
  assert.deepEqual(lines.slice(-2), ['later', 'last']);
});

test('log output - closing waits for a slow reader, not for one that is gone', async () => {
  const slow = new Place();
  const output = outputOf(slow);
  slow.room = 0;
  output.write('last words\n');
  const closed = output.close();
  slow.room = Number.POSITIVE_INFINITY;
  await closed;
  assert.equal(slow.text, 'last words\n');
  slow.room = 0;
  output.write('nobody hears this\n');
  await output.close();
});
