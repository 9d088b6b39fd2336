/** What a node's memory has dropped comes out of the stream; what that has dropped is told as a gap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEventId } from '../../src/wire/event-id.ts';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();

/** Next to nothing of a channel, in the threads' tails as well. */
const LITTLE = ['-history', '2'];

const startNode = (t: Owner, urls: string, args: readonly string[] = LITTLE) =>
  startServer(t, ['-nats', urls, '-notices', 'true', ...args]);

async function send(
  { controlUrl }: RunningServer,
  channel: string | string[],
  data: string,
  userId = '*',
): Promise<string> {
  const body = new URLSearchParams({ userId, payload: `data: ${data}` });
  for (const name of [channel].flat()) body.append('channel', name);
  const response = await fetch(`${controlUrl}/emit/`, { method: 'POST', body });
  assert.equal(response.status, 200);
  return ((await response.json()) as { id: string }).id;
}

/** Events whose data count from 1; their ids. */
async function sendNumbers(node: RunningServer, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 1; i <= count; i += 1) ids.push(await send(node, 'a', `${i}`));
  return ids;
}

const open = (t: Owner, { eventsUrl }: RunningServer, from: string, channels: string[]) =>
  openStream(t, eventsUrl, {
    headers: { ...bearer(tokenFor('ann', channels)), 'last-event-id': from },
  });

const dataOf = (stream: SseClient): (string | undefined)[] =>
  stream.events.filter(({ event }) => event !== 'tidings.gap').map(({ data }) => data);

const gapsOf = (stream: SseClient): { after: string; resumed: string; reason: string }[] =>
  stream.everything
    .filter(({ event }) => event === 'tidings.gap')
    .map(
      ({ data }) => JSON.parse(data ?? '') as { after: string; resumed: string; reason: string },
    );

for (const program of NATS_PROGRAMS) {
  test(`past - a stream gets all that it missed, whatever its channels, then goes on live (${program})`, async (t) => {
    const { urls } = await startNats(t, { program });
    const node = await startNode(t, urls);
    const start = await send(node, 'a', 'start');
    const expected: string[] = [];
    for (let i = 0; i < 12; i += 1) {
      const big = `${i}:${'x'.repeat(40_000)}`; // several answers of 256 KB
      for (const [channel, name, user] of [
        ['a', `a${big}`, '*'],
        ['a', 'not for her', 'bob'],
        [['b-', 'c'], `bc${i}`, 'ann'],
        ['o/x/1', `o${i}`, '*'],
        ['o/2', `o2${i}`, 'ann'],
        ['b--', 'not hers', '*'],
      ] as const) {
        await send(node, typeof channel === 'string' ? channel : [...channel], name, user);
        if (!name.startsWith('not')) expected.push(name);
      }
    }
    const stream = await open(t, node, start, ['a', 'b-', 'o/*', 'o/2']);
    await stream.arrived(expected.length);
    expected.push('live');
    await send(node, 'b-', 'live');
    await stream.arrived(expected.length);

    assert.deepEqual(dataOf(stream), expected);
    assert.deepEqual(gapsOf(stream), []);
    const numbers = stream.events.map(({ id }) => parseEventId(id ?? '')!.n);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((x, y) => x - y),
    );
  });
}

test('past - what the stream has dropped is told as a gap up to there, and what is left follows', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await startNode(t, nats.urls);
  const ids = await sendNumbers(node, 20);
  await nats.jsm.streams.purge('TIDINGS', { seq: 8 });
  await nats.jsm.streams.deleteMessage('TIDINGS', 12, false);

  const [late, later] = [await open(t, node, ids[2]!, ['a']), await open(t, node, ids[8]!, ['a'])];
  await late.arrived(14); // two notices with them
  await later.arrived(11);

  assert.deepEqual(
    gapsOf(late).map(({ after, resumed }) => [after, resumed]),
    [
      [ids[2], ids[6]],
      [ids[10], ids[11]],
    ],
  );
  assert.deepEqual(dataOf(late), [
    '8',
    '9',
    '10',
    '11',
    '13',
    '14',
    '15',
    '16',
    '17',
    '18',
    '19',
    '20',
  ]);
  assert.deepEqual(
    gapsOf(later).map(({ after, resumed }) => [after, resumed]),
    [[ids[10], ids[11]]],
  );
  assert.deepEqual(dataOf(later), ['10', '11', '13', '14', '15', '16', '17', '18', '19', '20']);
});

test('past - without NATS a stream waits for what it missed, and gets it when NATS is back', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await startNode(t, nats.urls);
  const ids = await sendNumbers(node, 10);
  await nats.servers[0]!.stop('SIGKILL');
  const stream = await open(t, node, ids[0]!, ['a']);
  await eventually(() => stream.everything.length > 0, { what: 'the opening' });
  assert.deepEqual(dataOf(stream), []);
  nats.servers[0]!.start();

  await eventually(() => stream.events.length >= 9, { withinMs: 15_000 });

  assert.deepEqual(dataOf(stream), ['2', '3', '4', '5', '6', '7', '8', '9', '10']);
  assert.deepEqual(gapsOf(stream), []);
});

test('past - an event that is larger than what is read ahead', { skip }, async (t) => {
  const { urls } = await startNats(t, { config: 'max_payload: 8MB' });
  const node = await startNode(t, urls, [...LITTLE, '-max-body', '8000000']);
  const large = 'x'.repeat(3_000_000);
  const first = await send(node, 'a', '1');
  await send(node, 'a', large);
  for (const data of ['3', '4', '5']) await send(node, 'a', data);
  const stream = await open(t, node, first, ['a']);
  await stream.arrived(4);
  assert.deepEqual(dataOf(stream), [large, '3', '4', '5']);
});
