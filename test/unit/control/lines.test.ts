/** Lines of a body that comes in pieces: whatever the pieces, the same lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lines } from '../../../src/control/lines.ts';
import { Random } from '../../support/prng.ts';

type Told = readonly [number: number, text: string];

function cut(pieces: readonly Buffer[], maxBytes = 40): Told[] {
  const lines = new Lines(maxBytes);
  const told: Told[] = [];
  const tell = (line: { number: number; text: string | Error }) =>
    told.push([line.number, line.text instanceof Error ? line.text.message : line.text]);
  for (const piece of pieces) {
    lines.push(piece);
    for (let line = lines.next(); line !== undefined; line = lines.next()) tell(line);
  }
  const rest = lines.rest();
  if (rest !== undefined) tell(rest);
  return told;
}

const BODY = Buffer.concat([
  Buffer.from('\ufeff{"a":1}\n\n \t\r\n{"ä":"€ 🎈"}\r\n'),
  Buffer.from('x'.repeat(41)),
  Buffer.from('\n'),
  Buffer.from('y'.repeat(40)),
  Buffer.from('\n\ufeff{}\n'),
  Buffer.from([0x61, 0xff, 0x62, 0x0a]),
  Buffer.from('z'.repeat(1_000)),
  Buffer.from('\nlast'),
]);

test('lines - numbered from 1, blank ones only counted, a fault belongs to its line', () => {
  const told = cut([BODY]);
  assert.deepEqual(
    told.map(([number]) => number),
    [1, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.deepEqual(told[0], [1, '{"a":1}']);
  assert.deepEqual(told[1], [4, '{"ä":"€ 🎈"}\r']);
  assert.match(told[2]![1], /longer than 40 bytes: .*-max-body/);
  assert.deepEqual(told[3], [6, 'y'.repeat(40)]);
  assert.equal(told[4]![1], '\ufeff{}', 'only the first line of a body has a mark of its encoding');
  assert.match(told[5]![1], /not UTF-8/);
  assert.match(told[6]![1], /longer than 40/);
  assert.deepEqual(told[7], [10, 'last']);
  assert.deepEqual(cut([]), []);
  assert.deepEqual(cut([Buffer.from('a\n')]), [[1, 'a']]);
});

test('lines - any split of the body gives the same lines', () => {
  const whole = cut([BODY]);
  const random = new Random();
  for (let round = 0; round < 300; round += 1) {
    const most = round < 10 ? 1 : 1 + random.below(200);
    const pieces: Buffer[] = [];
    for (let at = 0; at < BODY.length; ) {
      const end = at + 1 + random.below(most);
      pieces.push(BODY.subarray(at, end));
      at = end;
    }
    assert.deepEqual(cut(pieces), whole, `seed ${random.seed}, round ${round}`);
  }
});

test('lines - a long body is the same in blocks of many lines as line by line', () => {
  const random = new Random();
  const text = Array.from({ length: 3_000 }, (_, i) => {
    const odd = random.below(50);
    if (odd === 0) return '';
    if (odd === 1) return `{"ä":${i}}`;
    return 'x'.repeat(odd === 2 ? 41 : random.below(41));
  });
  const body = Buffer.from(text.map((line) => `${line}\n`).join(''));
  const single = text.flatMap((line, i): Told[] => {
    if (line === '') return [];
    return [[i + 1, line.length > 40 ? 'longer' : line]];
  });
  const told = cut([body]).map(([number, line]) => [
    number,
    line.replace(/.* longer than .*/, 'longer'),
  ]);
  assert.deepEqual(told, single, `seed ${random.seed}`);
  assert.deepEqual(cut([body.subarray(0, 20_001), body.subarray(20_001)]), cut([body]));
});
