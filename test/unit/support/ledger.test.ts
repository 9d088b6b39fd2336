/** The books themselves: right ones pass, and each thing that can be wrong with them is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Emitted, Notice, Receipt } from '../../support/ledger.ts';
import { audit } from '../../support/ledger-audit.ts';

const CRC = 7;

/** Event number `n` of an epoch, whose seq is its number too; for everyone on `news`. */
const event = (n: number, changes: Partial<Emitted> = {}): Emitted => ({
  seq: n,
  to: undefined,
  channels: ['news'],
  crc: CRC,
  outcome: 'acked',
  id: `a-${n}`,
  streams: 1,
  ...changes,
});

const gap = (after: string, resumed: string, changes: Partial<Notice> = {}): Notice => ({
  after,
  resumed,
  reason: 'evicted',
  id: resumed,
  last: after,
  ...changes,
});

/** What a client saw, in order: `a-1` is event 1, `@a-1` a position, anything else a gap. */
function saw(since: string | undefined, ...seen: (string | Notice)[]): Receipt {
  const deliveries = seen
    .filter((one) => typeof one === 'string')
    .filter((one) => !one.startsWith('@'))
    .map((id) => ({ id, seq: Number(id.split('-')[1]), crc: CRC }));
  const ids = seen.map((one) =>
    typeof one === 'string'
      ? { id: one.replace('@', ''), isEvent: !one.startsWith('@') }
      : { id: one.resumed, isEvent: false },
  );
  const notices = seen.filter((one) => typeof one !== 'string');
  return {
    ...{ user: 'ann', channels: ['news'], since, deliveries, notices, ids },
    ...{ connections: 1, problems: [] },
  };
}

const three = [event(1), event(2), event(3)];

const right: Record<string, readonly [emitted: Emitted[], seen: Receipt]> = {
  'all has come': [three, saw('a-0', 'a-1', 'a-2', 'a-3')],
  'it began at its first position': [three, saw('a-2', '@a-2', 'a-3')],
  'it was never opened': [three, saw(undefined)],
  'positions between events': [three, saw('a-0', '@a-0', 'a-1', '@a-1', 'a-2', 'a-3', '@a-3')],
  'what is missing was told': [three, saw('a-0', gap('a-0', 'a-2'), '@a-2', 'a-3')],
  'what is missing was told, and all of it is': [three, saw('a-0', gap('a-0', 'a-3'))],
  'others are meant': [[event(1, { to: ['bob'] }), event(2, { channels: ['x'] })], saw('a-0')],
  'what came after it had gone': [three, { ...saw('a-0', 'a-1'), until: 'a-1' }],
  'the server died, and nobody was emitting': [
    [event(1)],
    saw('a-0', 'a-1', gap('a-1', 'b-0', { reason: 'epoch' })),
  ],
  'what had no answer may be what is missing': [
    [event(1), event(2, { outcome: 'unknown', id: undefined })],
    saw('a-0', 'a-1', gap('a-1', 'a-2')),
  ],
  'a new epoch begins anew': [
    [...three, event(4, { id: 'b-1' })],
    {
      ...saw('a-0', 'a-1', 'a-2', 'a-3', gap('a-3', 'b-0', { reason: 'epoch' })),
      until: 'b-0',
    },
  ],
  'a new epoch counts on, and names old positions by its own name': [
    [...three, event(4, { id: 'b-4' })],
    saw('a-0', gap('a-0', 'b-1'), 'a-2', 'a-3', '@b-3', 'b-4', '@b-4'),
  ],
};

for (const [name, [emitted, receipt]] of Object.entries(right))
  test(`ledger - right: ${name}`, () => void audit(emitted, [receipt], 1));

const secret = event(2, { to: ['bob'] });

const wrong: Record<string, readonly [emitted: Emitted[], seen: Receipt, problem: RegExp]> = {
  'an event is lost': [three, saw('a-0', 'a-1', 'a-3'), /a-2 is lost without a word/],
  'the last event is lost': [three, saw('a-0', 'a-1', 'a-2'), /a-3 is lost/],
  'lost before the first event': [three, saw('a-0', '@a-0', 'a-2', 'a-3'), /a-1 is lost/],
  'lost behind a position that was told': [
    three,
    { ...saw('a-0', 'a-1', '@a-3'), until: 'a-3' },
    /a-2 is lost/,
  ],
  'the first behind a gap is lost': [
    three,
    saw('a-0', gap('a-0', 'a-1'), 'a-3'),
    /a-2 is lost without a word/,
  ],
  'lost though a gap stands elsewhere': [three, saw('a-0', gap('a-1', 'a-3')), /a-1 is lost/],
  'twice in a row': [three, saw('a-0', 'a-1', 'a-1', 'a-2', 'a-3'), /a-1 came twice/],
  'out of order': [three, saw('a-0', 'a-2', 'a-1', 'a-3'), /a-1 came after a-2/],
  'an event at or before a position that was told': [
    three,
    saw('a-0', 'a-1', '@a-2', 'a-2', 'a-3'),
    /a-2 came twice in a row/,
  ],
  'opened in the future': [three, saw('a-0', '@a-3', 'a-1', 'a-2', 'a-3'), /a-1 came after a-3/],
  'a position that goes back': [three, saw('a-0', 'a-1', 'a-2', 'a-3', '@a-2'), /came after/],
  'a position of a later epoch that goes back': [
    [...three, event(4, { id: 'b-4' })],
    saw('a-0', 'a-1', 'a-2', 'a-3', '@b-2', 'b-4'),
    /b-2 came after a-3/,
  ],
  'a gap that goes back': [
    three,
    saw('a-0', 'a-1', 'a-3', gap('a-1', 'a-2', { last: 'a-3' })),
    /told after a-3/,
  ],
  'an event for another': [[event(1), secret], saw('a-0', 'a-1', 'a-2'), /meant for others/],
  'an event nobody emitted': [[event(1)], saw('a-0', 'a-1', 'a-9'), /a-9 was never emitted/],
  'an event that was refused': [
    [event(1, { outcome: 'refused', id: undefined })],
    saw('a-0', 'a-1'),
    /was refused, and delivered/,
  ],
  'other content': [[event(1, { crc: 8 })], saw('a-0', 'a-1'), /other content/],
  'another id than was answered': [[event(1, { id: 'a-5' })], saw('a-0', 'a-1'), /came as a-1/],
  'an id for two emits': [[event(1), event(2, { id: 'a-1' })], saw('a-1'), /given to two emits/],
  'delivered, and said to be missing': [
    three,
    saw('a-0', 'a-1', gap('a-0', 'a-2', { last: 'a-1' }), 'a-3'),
    /a-1 was delivered, and said to be missing/,
  ],
  'false alarm: nothing was emitted': [
    [event(5)],
    saw('a-0', gap('a-0', 'a-3'), 'a-5'),
    /false alarm/,
  ],
  'false alarm: it was for another': [[event(1), secret], saw('a-1', gap('a-1', 'a-2')), /false/],
  'false alarm: lagged': [
    [event(1)],
    saw('a-0', 'a-1', gap('a-1', 'a-2', { reason: 'lagged' })),
    /false alarm: .* a-1 through a-2 \(lagged\)/,
  ],
  'false alarm: what is missing lies in another gap': [
    three,
    saw('a-0', gap('a-0', 'a-3'), gap('a-3', 'a-4')),
    /false alarm: .* a-3 through a-4/,
  ],
  'a start told twice': [
    [event(1)],
    saw(
      ...(['a-0', 'a-1'] as const),
      gap('a-1', 'b-0', { reason: 'epoch' }),
      gap('b-0', 'b-0', { reason: 'unknown' }),
    ),
    /told once more/,
  ],
  'a gap with another id than it says': [
    three,
    saw('a-0', gap('a-0', 'a-3', { id: 'a-2' })),
    /has id a-2/,
  ],
  'a gap without an id': [three, saw('a-0', gap('a-0', 'a-3', { id: undefined })), /undefined/],
  'a gap for one that comes for the first time': [
    three,
    saw('a-0', gap('a-0', 'a-3', { last: undefined })),
    /before there was any id/,
  ],
  'events, but no position before': [three, saw(undefined, 'a-1'), /before `tidings.open`/],
  'what the client itself found': [
    [],
    { ...saw('a-0'), problems: ['was answered 500'] },
    /client 0: was answered 500/,
  ],
};

for (const [name, [emitted, receipt, problem]] of Object.entries(wrong))
  test(`ledger - wrong: ${name}`, () => assert.throws(() => audit(emitted, [receipt], 1), problem));

test('ledger - what one client had of an emit without an answer, others must have or be told of', () => {
  const emitted = [event(1), event(2, { outcome: 'unknown', id: undefined }), event(3)];
  const all = saw('a-0', 'a-1', 'a-2', 'a-3');
  assert.equal(audit(emitted, [all, all], 1).unanswered, 2);
  const some = saw('a-0', 'a-1', 'a-3');
  assert.throws(() => audit(emitted, [all, some], 1), /client 1: a-2 is lost/);
});
