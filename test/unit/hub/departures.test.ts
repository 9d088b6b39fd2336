import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Departure, Departures, MAX_DEPARTURE_BYTES } from '../../../src/hub/departures.ts';

const of = (user: string, n: number, channels = 'news'): Departure => {
  return { user, at: n, reason: 'left', channels, startedBehind: 0, position: n, gaps: [] };
};

test('departures - those of a user, newest first, and the oldest give way by number', () => {
  const departures = new Departures(3);
  for (let n = 1; n <= 5; n += 1) departures.note(of(n % 2 === 0 ? 'even' : 'odd', n));
  assert.deepEqual(
    departures.of('odd', 9).map(({ at }) => at),
    [5, 3],
  );
  assert.deepEqual(departures.of('odd', 1).length, 1);
  assert.equal(departures.count, 3);
});

test('departures - and by bytes, names included', () => {
  const departures = new Departures(1_000, 10_000);
  for (let n = 0; n < 1_000; n += 1) departures.note(of('u', n, 'x'.repeat(900)));
  assert.ok(departures.bytes <= 10_000);
  assert.equal(departures.count, 9);
});

/** Names as they come: text in one piece. */
const flat = (text: string): string => Buffer.from(text).toString();

/** A clock and numbers as they are after long. */
const late = (n: number) => ({
  at: 100_000.5 + n,
  startedBehind: 2 ** 40 + n,
  position: 2 ** 41 + n,
});

const LIVES: Readonly<Record<string, (n: number) => Departure>> = {
  'of a million users': (n) => of(`user-${n}`, n, `own-${n}`),
  'with long names': (n) =>
    of(flat(`00000000-1111-2222-3333-${n}`), n, flat(`tenant-1\nroom-${n}`)),
  'with names beyond Latin-1, large numbers and gaps': (n) => {
    return { ...of(flat(`имя-${n}`), n), ...late(n), gaps: [2 ** 40 + n, 2 ** 40 + n + 0.5] };
  },
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

for (const [name, make] of Object.entries(LIVES))
  test(`departures - a million closed streams ${name} take no more of the heap than the bound`, (t) => {
    const departures = new Departures();
    const before = heapUsed();
    for (let n = 0; n < 1_000_000; n += 1) departures.note(make(n));
    const bytes = heapUsed() - before;
    t.diagnostic(`${departures.count} take ${bytes} bytes, counted as ${departures.bytes}`);
    assert.ok(departures.bytes <= MAX_DEPARTURE_BYTES, `${departures.bytes}`);
    assert.ok(bytes <= MAX_DEPARTURE_BYTES, `${bytes}`);
    assert.ok(departures.count > 7_000, `${departures.count}`);
  });
