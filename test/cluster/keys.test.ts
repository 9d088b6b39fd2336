/** Keys of emits over several nodes: the same event once, another one refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const skip = withoutNats();

type Answer = Record<string, unknown> & { readonly status: number };

const ask = async (
  { controlUrl }: RunningServer,
  body: string,
  headers: Record<string, string>,
): Promise<Answer> => {
  const response = await fetch(`${controlUrl}/emit/`, { method: 'POST', body, headers });
  return { ...((await response.json()) as object), status: response.status };
};

const eventOf = (data: string, key?: string) => ({ userId: '*', channel: 'news', data, key });

const emit = (node: RunningServer, key: string, data: string): Promise<Answer> =>
  ask(node, JSON.stringify(eventOf(data)), {
    'content-type': 'application/json',
    'idempotency-key': key,
  });

for (const program of NATS_PROGRAMS)
  test(`keys - through whichever node: the same event is a duplicate, another is refused (${program})`, async (t) => {
    const { urls } = await startNats(t, { program });
    const start = () => startServer(t, ['-nats', urls]);
    const [a, b] = (await Promise.all([start(), start()])) as [RunningServer, RunningServer];
    const headers = bearer(tokenFor('ann', 'news'));
    const stream = await openStream(t, b.eventsUrl, { headers });

    const first = await emit(a, 'k', 'one');
    for (const node of [a, b]) {
      const { status, id, duplicate } = await emit(node, 'k', 'one');
      assert.deepEqual([status, id, duplicate], [200, first['id'], true]);
      const { status: refused, error } = await emit(node, 'k', 'two');
      assert.deepEqual([refused, error], [409, 'IDEMPOTENCY_MISMATCH']);
    }
    const both = await Promise.all([emit(a, 'race', 'x'), emit(b, 'race', 'y')]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409]);

    const won = both[0]!.status === 200 ? 'x' : 'y';
    await emit(a, 'last', 'last');
    await stream.arrived(3);
    assert.deepEqual(
      stream.events.map(({ data }) => data),
      ['one', won, 'last'],
    );
  });

test('keys - of an emit to as many channels, and as long ones, as there may be', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const node = await startServer(t, ['-nats', urls]);
  const name = (i: number) => `${'é'.repeat(126)}${String(i).padStart(3, '0')}`;
  const channel = Array.from({ length: 100 }, (_, i) => name(i));
  const long = (key: string) =>
    ask(node, JSON.stringify({ userId: '*', channel, data: 'x', key }), {
      'content-type': 'application/json',
    });
  const first = await long('k');
  assert.equal(first.status, 200, JSON.stringify(first));
  assert.deepEqual(
    [(await long('k'))['id'], (await long('l'))['duplicate']],
    [first['id'], undefined],
  );
});

test('keys - in an array and in an upload, as without NATS', { skip }, async (t) => {
  const { urls } = await startNats(t);
  const node = await startServer(t, ['-nats', urls]);
  const array = (...events: object[]) =>
    ask(node, JSON.stringify(events), { 'content-type': 'application/json' });
  assert.equal((await array(eventOf('a', 'k1'), eventOf('b', 'k1'))).status, 409);
  assert.equal((await emit(node, 'k1', 'c')).status, 200, 'nothing of it was stored');
  assert.equal((await array(eventOf('d', 'k2'), eventOf('d', 'k2'))).status, 200);

  const upload = (...data: string[]) =>
    ask(node, data.map((one) => JSON.stringify(eventOf(one))).join('\n'), {
      'content-type': 'application/x-ndjson',
      'idempotency-key': 'upload',
    });
  const whole = await upload('1', '2', '3');
  const again = await upload('1', 'other', '3');
  assert.deepEqual([whole['accepted'], whole['duplicates']], [3, 0], JSON.stringify(whole));
  assert.deepEqual([again['accepted'], again['duplicates']], [0, 2], JSON.stringify(again));
  assert.match(
    JSON.stringify(again),
    /"line":2.*IDEMPOTENCY_MISMATCH|IDEMPOTENCY_MISMATCH.*"line":2/,
  );
});
