/** A stream whose servers got an older copy of their disk, and that has grown again before anybody looked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { jetstream } from '@nats-io/jetstream';
import { encodeRecord } from '../../src/nats/event-record.ts';
import { subjectOf } from '../../src/nats/subjects.ts';
import { verdictOf } from '../../src/nats/witness.ts';
import { parseEventId } from '../../src/wire/event-id.ts';
import { NATS_PROGRAMS, type Nats, startNats, withoutNats } from '../support/nats.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually, within } from '../support/wait.ts';

const skip = withoutNats();

/** Puts the server's disk back to where it is now, after `meanwhile`, and stores so many other events then. */
async function goBack(
  { servers, connection, jsm }: Nats,
  others: number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const server = servers[0]!;
  await server.stop();
  cpSync(server.store, `${server.store}.copy`, { recursive: true });
  server.start();
  await meanwhile();
  await server.stop('SIGKILL');
  rmSync(server.store, { recursive: true });
  cpSync(`${server.store}.copy`, server.store, { recursive: true });
  server.start();
  await eventually(() => jsm.streams.info('TIDINGS').catch(() => undefined), {
    withinMs: 15_000,
    what: 'the stream',
  });
  const js = jetstream(connection);
  for (let i = 0; i < others; i += 1)
    await js.publish(
      subjectOf(['news']),
      encodeRecord({
        ...{ to: undefined, channels: ['news'], body: `data: other ${i}\n` },
        ...{ origin: 'elsewhere', ticket: i },
      }),
    );
}

const send = async ({ controlUrl }: SpawnedServer, data: string): Promise<string> => {
  const { status, body } = await emit(controlUrl, {
    ...{ userId: '*', channel: 'news', payload: `data: ${data}` },
  });
  assert.equal(status, 200);
  return String(body['id']);
};

const open = (t: Owner, { publicUrl }: SpawnedServer, from: string) =>
  openStream(t, `${publicUrl}/events/`, {
    headers: { ...bearer(tokenFor('ann', 'news')), 'last-event-id': from },
  });

for (const program of NATS_PROGRAMS)
  test(`rewound - the node ends, and its next start has another epoch (${program})`, async (t) => {
    const nats = await startNats(t, { program });
    const node = await spawnServer(t, ['-nats', nats.urls]);
    const exited = once(node.process, 'exit');
    for (let i = 1; i <= 3; i += 1) await send(node, `${i}`);
    let id = '';
    await goBack(nats, 8, async () => {
      for (let i = 4; i <= 8; i += 1) {
        const sent = await eventually(() => send(node, `${i}`).catch(() => undefined), {
          withinMs: 15_000,
        });
        id = String(sent);
      }
      node.process.kill('SIGSTOP');
    });
    node.process.kill('SIGCONT');

    const end = await within(exited, { withinMs: 20_000, what: 'the end of the node' });
    assert.deepEqual(end, [1, null]);

    const next = await spawnServer(t, ['-nats', nats.urls]);
    const before = parseEventId(id)!;
    const after = parseEventId(await send(next, 'more'))!;
    assert.ok(after.n > before.n);
    assert.notEqual(after.epoch, before.epoch);
    const stream = await open(t, next, id);
    await eventually(() => stream.everything.some(({ event }) => event === 'tidings.gap'));
    const gap = stream.everything.find(({ event }) => event === 'tidings.gap');
    assert.equal(JSON.parse(gap!.data).reason, 'epoch');
  });

test('rewound - a witness is the same, another, or beyond what is there', { skip }, async (t) => {
  const nats = await startNats(t);
  const node = await spawnServer(t, ['-nats', nats.urls]);
  for (let i = 1; i <= 3; i += 1) await send(node, `${i}`);
  const { data } = (await nats.jsm.streams.getMessage('TIDINGS', { seq: 2 }))!;
  const verdict = (n: number) => verdictOf(nats.jsm, { n, data });

  assert.deepEqual(
    [await verdict(2), await verdict(3), await verdict(4)],
    ['same', 'other', 'unsure'],
  );
  await nats.jsm.streams.purge('TIDINGS', { seq: 3 });
  assert.equal(await verdict(2), 'same', 'dropped since');
});
