/** A server that dies: what a client has of it is whole events, and an id to come back with. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { isPositionNotice, OPENED } from '../support/opening.ts';
import { connectRaw, dechunk, type RawClient, streamRequest } from '../support/raw-client.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const LARGE_BYTES = 700_000;

interface Scene {
  readonly server: SpawnedServer;
  readonly client: RawClient;
}

// A unix socket, whose kernel buffer is much smaller than the large event.
async function openScene(t: TestContext): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const address = `unix:${folder}/public.sock`;
  const server = await spawnServer(t, ['-bind', address]);
  const client = await connectRaw(t, address);
  client.send(streamRequest(tokenFor('ann')));
  await client.until(OPENED);
  return { server, client };
}

/** Every byte but the framing of chunks, the part of a chunk that was cut too. */
function bodyOf(client: RawClient): string {
  const whole = dechunk(client.bytes).toString('latin1');
  const tail = client.text.slice(client.text.lastIndexOf('\r\n') + 2);
  return whole.endsWith(tail) ? whole : whole + tail;
}

function dispatched(body: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (event) => void (isPositionNotice(event.event) || events.push(event)),
  });
  parser.feed(body);
  return events;
}

const news = (server: SpawnedServer, payload: string) =>
  emit(server.controlUrl, { userId: '*', channel: 'news', payload });

for (const { where, payload } of [
  { where: 'in a data line', payload: `data: ${'x'.repeat(LARGE_BYTES)}` },
  { where: 'between data lines', payload: 'data: line\n'.repeat(LARGE_BYTES / 11) },
  { where: 'behind an id of its own', payload: `id: 9\ndata: ${'x'.repeat(LARGE_BYTES)}` },
]) {
  test(`S-29 kill -9 - ${where}: nothing of the event is dispatched, the id is the one before`, async (t) => {
    const { server, client } = await openScene(t);
    const { body: first } = await news(server, 'data: first');
    await client.until(/data: first\nid: \S+\n\n/);
    client.socket.pause();
    assert.equal((await news(server, payload)).status, 200);
    // A second answer comes a turn of the loop after the first: the frame has begun to go out.
    assert.equal((await fetch(`${server.controlUrl}/healthz`)).status, 200);
    await server.stop('SIGKILL');
    client.socket.resume();
    await eventually(() => client.closed, { what: 'the end of the connection' });
    const body = bodyOf(client);
    const partial = body.length - body.indexOf('data: first');
    assert.ok(partial > 10_000 && partial < LARGE_BYTES, `cut in mid-frame, at ${partial}`);
    assert.doesNotMatch(client.text, /\r\n0\r\n\r\n$/, 'not ended as if it were complete');
    assert.deepEqual(
      dispatched(body).map(({ data, id }) => [data, id]),
      [['first', first['id']]],
    );
  });
}

test('S-29 kill -9 - what was answered with an id before the end has been sent whole', async (t) => {
  const { server, client } = await openScene(t);
  const ids: unknown[] = [];
  for (let i = 0; i < 200; i += 1) ids.push((await news(server, `data: ${i}`)).body['id']);
  await client.until(/data: 199\n/);
  await server.stop('SIGKILL');
  await eventually(() => client.closed, { what: 'the end of the connection' });
  assert.deepEqual(
    dispatched(bodyOf(client)).map(({ id }) => id),
    ids,
  );
});
