import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Departure, Departures } from '../../../src/hub/departures.ts';

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

test('departures - a million closed streams take no more than the bound', () => {
  const departures = new Departures();
  for (let n = 0; n < 1_000_000; n += 1)
    departures.note(of(`user-${n}`, n, `channel-${n % 50_000}`));
  assert.ok(departures.bytes <= 2_097_152, `${departures.bytes}`);
  assert.ok(departures.count > 15_000 && departures.count <= 20_000, `${departures.count}`);
});
