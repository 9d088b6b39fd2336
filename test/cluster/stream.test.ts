/** What becomes of the stream itself: dropped events, another stream, one key twice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { Backplane } from '../../src/nats/backplane.ts';
import { parseEventId } from '../../src/wire/event-id.ts';
import { type Nats, startNats, withoutNats } from '../support/nats.ts';
import { emptyStore } from '../support/replica.ts';
import { emit, spawnServer } from '../support/spawn-server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();
const FIELDS = { userId: '*', channel: 'news', payload: 'data: x' };

async function openBackplane(t: Owner, { urls }: Nats): Promise<Backplane> {
  const backplane = await Backplane.open({
    address: { servers: urls.split(','), creds: '', ca: '', cert: '', key: '' },
    policy: { replicas: 1, historySeconds: 300, maxBytes: 100_000_000 },
    logger: createLogger('silent', { write: () => {} }),
    failed: (error) => {
      throw error;
    },
  });
  t.after(() => backplane.close());
  await backplane.follow(emptyStore());
  return backplane;
}

test('stream - two emits with one key through two nodes are one event, on two channels two', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const [a, b] = await Promise.all([openBackplane(t, nats), openBackplane(t, nats)]);
  const event = { to: undefined, channels: ['news'], body: 'data: x\n', key: { name: 'k 1' } };

  const [one, two] = await Promise.all([a.publish(event), b.publish(event)]);
  const other = await a.publish({ ...event, channels: ['other'] });

  assert.equal(one.id, two.id);
  assert.notEqual(other.id, one.id);
  assert.equal((await nats.jsm.streams.info('TIDINGS')).state.last_seq, 2);
});

test('stream - a stream that was made anew ends the node, and the next start tells of a gap', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await spawnServer(t, ['-nats', nats.urls]);
  const { body } = await emit(node.controlUrl, FIELDS);
  const exited = once(node.process, 'exit');
  await nats.jsm.streams.delete('TIDINGS');
  const next = await spawnServer(t, ['-nats', nats.urls]);
  assert.deepEqual(await exited, [1, null]);

  const headers = { ...bearer(tokenFor('ann')), 'last-event-id': String(body['id']) };
  const stream = await openStream(t, `${next.publicUrl}/events/`, { headers });

  await eventually(() => stream.everything.some(({ event }) => event === 'tidings.gap'));
  const gap = stream.everything.find(({ event }) => event === 'tidings.gap');
  assert.equal(JSON.parse(gap!.data).reason, 'epoch');
});

test('stream - what the stream dropped before a node had it is told to its streams, once', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await spawnServer(t, ['-nats', nats.urls]);
  const headers = bearer(tokenFor('ann'));
  const stream = await openStream(t, `${node.publicUrl}/events/`, { headers });
  await emit(node.controlUrl, FIELDS);
  await stream.arrived(1);

  const source = await openBackplane(t, nats);
  node.process.kill('SIGSTOP');
  const event = { to: undefined, channels: ['news'], body: 'data: x\n' };
  await Promise.all(Array.from({ length: 3_000 }, () => source.publish(event)));
  await nats.jsm.streams.purge('TIDINGS', { keep: 10 });
  node.process.kill('SIGCONT');

  const numberOf = (id: string | undefined) => parseEventId(id ?? '')!.n;
  await eventually(() => stream.events.some(({ id }) => numberOf(id) === 3_001));
  const gaps = stream.events.filter(({ event }) => event === 'tidings.gap');
  const numbers = stream.events
    .filter(({ event }) => event !== 'tidings.gap')
    .map(({ id }) => numberOf(id));
  const had = numbers.length - 10;
  assert.deepEqual(
    numbers,
    Array.from({ length: 3_001 }, (_, i) => i + 1).filter((n) => n <= had || n > 2_991),
  );
  assert.deepEqual(
    gaps.map(({ data }) => [JSON.parse(data).after, JSON.parse(data).resumed].map(numberOf)),
    [[had, 2_991]],
  );
});

test('stream - what NATS would not take is refused, alone and in an array, and the node lives on', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await spawnServer(t, ['-nats', nats.urls, '-max-body', '4000000']);
  const post = async (body: object) =>
    (
      await fetch(`${node.controlUrl}/emit/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).status;
  const event = (data: string) => ({ userId: '*', channel: 'news', data });
  // Around the most that a server takes by itself, its own head included.
  for (let bytes = 1_048_576 - 400; bytes <= 1_048_576; bytes += 20)
    assert.ok([200, 413].includes(await post(event('x'.repeat(bytes)))), String(bytes));
  assert.equal(await post([event('fits'), event('x'.repeat(2_000_000))]), 413);
  assert.equal(await post(event('and on')), 200);
});

test('stream - one that was deleted ends the node, without another that makes it anew', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const node = await spawnServer(t, ['-nats', nats.urls]);
  const exited = once(node.process, 'exit');
  await nats.jsm.streams.delete('TIDINGS');
  assert.deepEqual(await exited, [1, null]);
});
