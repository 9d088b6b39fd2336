/** Readers that do not read, over real sockets with real kernel buffers. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { append as appendTo } from '../support/hub.ts';
import { OPENED, withoutOpening } from '../support/opening.ts';
import { connectRaw, dechunk, type RawClient, streamRequest } from '../support/raw-client.ts';
import { ONE_THREAD, type RunningServer, startServer, statsOf } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** More than a loopback socket's two buffers take. */
const FLOOD_BYTES = 12_000_000;

async function unixServer(t: TestContext, args: readonly string[] = []): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return startServer(t, [...ONE_THREAD, '-bind', `unix:${folder}/public.sock`, ...args]);
}

async function rawStream(t: TestContext, url: string, user = 'slow'): Promise<RawClient> {
  const client = await connectRaw(t, url);
  client.send(streamRequest(tokenFor(user)));
  await client.until(OPENED);
  return client;
}

const append = ({ server }: RunningServer, n: number, frame: Buffer) =>
  appendTo(server.hub, { n, channels: ['news'], to: undefined, bytes: frame });

/** A frame of `size` bytes whose every part tells where it belongs. */
function frameOf(n: number, size: number): Buffer {
  const frame = Buffer.alloc(size);
  for (let at = 0; at < size; at += 8) frame.write(`${n}:${at}|`.padEnd(8, '.'), at, 'latin1');
  frame.write('data: ', 0, 'latin1');
  frame.write('\n\n', size - 2, 'latin1');
  return frame;
}

const withoutNudges = (body: Buffer): string =>
  withoutOpening(body.toString('latin1')).replaceAll('\n\n:\n', '\n\n');

test('slow reader - frames of every size around the limits arrive uncorrupted after a pause', {
  timeout: 120_000,
}, async (t) => {
  const around = Array.from({ length: 631 }, (_, i) => 16_370 + i);
  for (const sizes of [around, [100_000, 1_000_000, 100_000, 16_384, 1_000_000, 50]]) {
    const running = await unixServer(t, ['-history', '100000']);
    const client = await rawStream(t, running.publicUrl);
    client.socket.pause();
    const frames = sizes.map((size, i) => frameOf(i + 1, size));
    for (const [i, frame] of frames.entries()) {
      append(running, i + 1, frame);
      if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(async () => (await statsOf(running.server)).blockedStreams === 1, {
      what: 'the stream to block',
    });
    client.socket.resume();
    const total = sizes.reduce((sum, size) => sum + size, 0);
    await eventually(
      async () => client.size > total && (await statsOf(running.server)).blockedStreams === 0,
      {
        withinMs: 20_000,
      },
    );
    await eventually(() => withoutNudges(dechunk(client.bytes)).length >= total, {
      withinMs: 20_000,
    });
    const got = withoutNudges(dechunk(client.bytes));
    const wanted = Buffer.concat(frames).toString('latin1');
    const at = [...got].findIndex((char, i) => char !== wanted[i]);
    assert.equal(
      at,
      -1,
      `first difference at ${at}: ${JSON.stringify(got.slice(at - 20, at + 20))}`,
    );
    assert.equal(got.length, wanted.length);
  }
});

// Side by side: what they wait for is only that time passes.
describe('slow reader - for longer than the timers of the addon', { concurrency: 2 }, () => {
  test('slow reader - one that pauses 5 s gets every event in order, and lives on', {
    timeout: 90_000,
  }, async (t) => {
    const running = await startServer(t, [...ONE_THREAD, '-history', '100000', '-heartbeat', '5']);
    const client = await rawStream(t, running.publicUrl);
    const { hub } = running.server;
    client.socket.pause();
    const began = performance.now();
    const frames: Buffer[] = [];
    for (let bytes = 0; bytes < FLOOD_BYTES; bytes += 10_000) {
      frames.push(frameOf(frames.length + 1, 10_000));
      append(running, frames.length, frames.at(-1)!);
      if (frames.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => hub.flow.blockedStreams.size === 1, { what: 'the stream to block' });
    await eventually(() => performance.now() - began > 5_000, {
      withinMs: 6_000,
      what: '5 s of pause',
    });
    client.socket.resume();
    await eventually(() => hub.flow.blockedStreams.size === 0 && client.size > FLOOD_BYTES, {
      withinMs: 20_000,
    });
    // Past the addon's own 8 to 12 seconds, which a stream that once was blocked must survive.
    await eventually(() => performance.now() - began > 20_000, {
      withinMs: 20_000,
      what: '15 s more',
    });
    assert.equal(client.closed, false);
    frames.push(frameOf(frames.length + 1, 100));
    append(running, frames.length, frames.at(-1)!);
    const wanted = Buffer.concat(frames).toString('latin1');
    await eventually(
      () =>
        withoutNudges(dechunk(client.bytes)).replaceAll(/(?<=\n):\n/g, '').length >= wanted.length,
    );
    assert.ok(
      withoutNudges(dechunk(client.bytes)).replaceAll(/(?<=\n):\n/g, '') === wanted,
      'bytes differ',
    );
  });

  test('slow reader - one that never reads is closed as stalled, and holds nothing of ours', {
    timeout: 90_000,
  }, async (t) => {
    // Longer than the addon's own timer, so that it is our decision that is seen.
    const running = await startServer(t, [...ONE_THREAD, '-stall', '16', '-history', '10']);
    const client = await rawStream(t, running.publicUrl);
    const { hub } = running.server;
    client.socket.pause();
    let n = 0;
    await eventually(
      () => {
        for (let i = 0; i < 100; i += 1) append(running, ++n, frameOf(n, 10_000));
        return hub.flow.blockedStreams.size === 1;
      },
      { what: 'the stream to block' },
    );
    const [stream] = hub.flow.blockedStreams;
    for (let i = 0; i < 1_000; i += 1) append(running, ++n, frameOf(n, 10_000));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(
      hub.channels.get('news')?.log.count,
      10,
      'only the history is held, whatever the stream has missed',
    );
    await eventually(
      () => {
        append(running, ++n, frameOf(n, 10_000));
        return hub.streams.size === 0;
      },
      { withinMs: 40_000, what: 'the stream to be closed' },
    );
    const closed = running.log.find((line) => line['msg'] === 'stream closed');
    assert.deepEqual([closed?.['reason'], closed?.['stream']], ['stalled', stream?.id]);
  });
});

test('slow reader - others get every event while one in ten is stuck', {
  timeout: 60_000,
}, async (t) => {
  const running = await startServer(t, [...ONE_THREAD, '-history', '100000']);
  const stuck = await Promise.all(Array.from({ length: 3 }, () => rawStream(t, running.publicUrl)));
  for (const client of stuck) client.socket.pause();
  const others = await Promise.all(
    Array.from({ length: 27 }, (_, i) =>
      openStream(t, running.eventsUrl, { headers: bearer(tokenFor(`u${i}`)) }),
    ),
  );
  let n = 0;
  await eventually(
    async () => {
      for (let i = 0; i < 20; i += 1) append(running, ++n, frameOf(n, 10_000));
      return (await statsOf(running.server)).blockedStreams === 3;
    },
    { withinMs: 30_000, what: 'three streams to block' },
  );
  for (const other of others) {
    await other.arrived(n, { withinMs: 20_000 });
    for (const [i, event] of other.events.entries())
      assert.ok(event.data.startsWith(`${i + 1}:8|`) || event.data.includes(`${i + 1}:8|`));
  }
  assert.equal((await statsOf(running.server)).blockedStreams, 3);
});
