/** The client that keeps the books, before a server that makes mistakes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fakeSse } from '../support/fake-sse.ts';
import { LedgerClient } from '../support/ledger-client.ts';
import { eventually } from '../support/wait.ts';

const OPEN = 'event: tidings.open\ndata: {"heartbeat":15,"expires":3599}\nid: a-5\n\n';
const OPEN_BEFORE_A_GAP = 'event: tidings.open\ndata: {"heartbeat":15,"expires":3599}\n\n';
const GAP =
  'event: tidings.gap\ndata: {"after":"a-1","resumed":"a-4","reason":"evicted","spread":20}\nid: a-4\n\n';
const POSITION = 'event: tidings.position\ndata: {}\nid: a-9\n\n';
const EVENT = 'data: 7 x.\nid: a-7\n\n';
const LAST = ': all of it has come\n\n';

async function clientOf(t: TestContext, frames: string, since?: string): Promise<LedgerClient> {
  const { stream } = await fakeSse(t, { greeting: `retry: 1\n:\n${frames}${LAST}` });
  const url = `http://${stream.host}:${stream.port}/`;
  const client = new LedgerClient({ url, user: 'ann', channels: ['news'], since });
  t.after(() => client.close());
  await eventually(() => client.comments === 2);
  return client;
}

test('ledger client - without an id it begins at its first position, and keeps every id', async (t) => {
  const client = await clientOf(t, OPEN + EVENT + POSITION + POSITION);
  const { since, ids, deliveries, problems } = client.receipt;
  assert.deepEqual([since, client.lastId, client.lastEventId, problems], ['a-5', 'a-7', 'a-9', []]);
  assert.deepEqual(ids, [
    { id: 'a-5', isEvent: false },
    { id: 'a-7', isEvent: true },
    { id: 'a-9', isEvent: false },
  ]);
  assert.deepEqual(
    deliveries.map(({ id, seq }) => [id, seq]),
    [['a-7', 7]],
  );
});

test('ledger client - a gap is noted with its id, and with the last one before it', async (t) => {
  const { receipt } = await clientOf(t, OPEN_BEFORE_A_GAP + GAP + EVENT, 'a-1');
  assert.deepEqual(receipt.problems, []);
  assert.deepEqual(receipt.notices, [
    { after: 'a-1', resumed: 'a-4', reason: 'evicted', id: 'a-4', last: 'a-1' },
  ]);
});

const mistakes: Record<string, readonly [frames: string, problem: string]> = {
  'an event before the opening': [EVENT, 'got message instead of tidings.open'],
  'a gap before the opening': [GAP, 'got tidings.gap instead of tidings.open'],
  'an opening without an id, and no gap': [
    OPEN_BEFORE_A_GAP + EVENT,
    'got message instead of tidings.gap',
  ],
  'an event without an id': [`${OPEN}data: 7 x.\n\n`, 'an event without an id: 7 x.'],
  'a notice without `resumed`': [
    `${OPEN}event: tidings.gap\ndata: {"after":"a-1"}\n\n`,
    'not a notice: {"after":"a-1"}',
  ],
};

for (const [name, [frames, problem]] of Object.entries(mistakes))
  test(`ledger client - finds ${name}`, async (t) => {
    const { receipt } = await clientOf(t, frames, 'a-1');
    assert.deepEqual(receipt.problems, [problem]);
  });
