/** What a stream holds besides events: one `retry:`, and comments, never inside a frame. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { emitRaw, openNews } from '../support/emitting.ts';
import { OPENED, withoutOpening } from '../support/opening.ts';
import { connectRaw, dechunk, type RawClient, streamRequest } from '../support/raw-client.ts';
import { startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually, within } from '../support/wait.ts';

const HEARTBEAT = ['-heartbeat', '1'];

async function openWire(t: TestContext, url: string, user = 'ann'): Promise<RawClient> {
  const client = await connectRaw(t, url);
  client.send(streamRequest(tokenFor(user)));
  await client.until(OPENED);
  return client;
}

// test/http/lifetime.test.ts waits 30 s; here it is each byte that counts.
test('S-27 silence - each heartbeat is a chunk of the two bytes ":\\n", and no parser sees an event', async (t) => {
  const running = await startServer(t, HEARTBEAT);
  const stream = await openNews(t, running);
  const client = await openWire(t, running.publicUrl);
  const head = client.text.length;
  await eventually(() => client.text.length >= head + 4 * '\r\n2\r\n:\n'.length, {
    withinMs: 15_000,
    what: 'four heartbeats',
  });
  assert.match(client.text.slice(head), /^(\r\n2\r\n:\n)+$/);
  await eventually(() => stream.comments.length >= 5, { withinMs: 15_000 });
  assert.match(withoutOpening(stream.text), /^(:\n)+$/);
  assert.deepEqual(stream.events, []);
  await emitRaw(running, 'data: x');
  assert.equal((await stream.next()).data, 'x');
});

const FRAME_BYTES = 150_000;
const FRAMES = 20;
const ROUNDS = 4;

/** Reads one piece of what waits, then nothing until each stream has been due for a heartbeat. */
async function readInSips(client: RawClient, heartbeats: () => number): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    // In the handler: by the next turn of the loop everything would have been read.
    const sip = once(
      client.socket.once('data', () => client.socket.pause()),
      'data',
    );
    client.socket.resume();
    await within(sip, { what: 'some bytes' });
    const before = heartbeats();
    await eventually(() => heartbeats() > before + 1, { withinMs: 10_000, what: 'a heartbeat' });
  }
}

test('S-28 heartbeat - never inside a frame, however slowly the frame is read', {
  timeout: 90_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // A unix socket: its kernel buffer is small, so that frames are really held up half written.
  const address = `unix:${folder}/public.sock`;
  const running = await startServer(t, ['-bind', address, ...HEARTBEAT]);
  const client = await openWire(t, address);
  const idle = await openStream(t, 'http://x/events/', {
    socketPath: `${folder}/public.sock`,
    headers: bearer(tokenFor('bob', 'silent')),
  });
  client.socket.pause();
  const wanted: string[] = [];
  for (let i = 0; i < FRAMES; i += 1) {
    const payload = `data: ${String.fromCharCode(97 + i).repeat(FRAME_BYTES)}`;
    const { id } = JSON.parse((await emitRaw(running, payload)).text) as { id: string };
    wanted.push(`${payload}\nid: ${id}\n\n`);
  }
  const { hub } = running.server;
  await eventually(() => hub.flow.blockedStreams.size === 1, { what: 'the stream to block' });
  await readInSips(client, () => idle.comments.length);
  assert.equal(hub.flow.blockedStreams.size, 1, 'it was blocked all the time');
  client.socket.resume();
  const all = FRAMES * FRAME_BYTES;
  await eventually(() => client.size > all && hub.flow.blockedStreams.size === 0, {
    withinMs: 20_000,
  });
  await eventually(() => dechunk(client.bytes).includes(wanted.at(-1)!), { withinMs: 20_000 });
  const body = dechunk(client.bytes).toString('latin1');
  const frames = withoutOpening(body)
    .split(/(?<=\n\n)/)
    .map((frame) => frame.replace(/^(:\n)+/, ''));
  assert.ok(frames[0] === wanted[0], `the first frame is torn: ${frames[0]?.slice(0, 60)}`);
  const torn = wanted.findIndex((frame, i) => frames[i] !== frame);
  assert.equal(torn, -1, `frame ${torn}`);
  assert.deepEqual(frames.slice(FRAMES), frames.length > FRAMES ? [''] : []);
});

test('S-36 retry - once per connection, in digits, and not the same for all', async (t) => {
  const running = await startServer(t, HEARTBEAT);
  const streams = [];
  for (let i = 0; i < 30; i += 1) streams.push(await openNews(t, running));
  for (let i = 0; i < 5; i += 1) await emitRaw(running, `data: ${i}`);
  for (const stream of streams) {
    await stream.arrived(5);
    await eventually(() => stream.comments.length >= 5, { withinMs: 15_000 });
    assert.equal(stream.text.match(/retry/g)?.length, 1);
    assert.match(stream.text, /^retry: [1-4]\d{3}\nevent: tidings\.open\n/);
    assert.ok(stream.retries[0]! >= 1_000 && stream.retries[0]! <= 4_000);
  }
  const distinct = new Set(streams.map((stream) => stream.retries[0]));
  assert.ok(distinct.size > 10, `${distinct.size} different ones of 30`);
});
