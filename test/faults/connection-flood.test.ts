/** Connections that want no stream, while others have theirs. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openCrowd } from '../support/crowd.ts';
import { emitterFor, pidOf, tokensFor } from '../support/faults.ts';
import { megabytes, openFiles, residentBytes } from '../support/process-facts.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const STREAMS = 200;
const WAVES = 10;
/** Connections in a wave. */
const WAVE = 600;
/** Time for the server to be as before, once nobody comes any more. */
const BACK_MS = 30_000;
/** Of what was in use before. The heap of a process that has never worked is smaller than it will be. */
const MEMORY_SLACK = 0.1;

const RUBBISH = [
  '', // silence
  'GET /events/ HTTP/1.1\r\nHost: x\r\n', // a head without an end
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', // TLS
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET /events/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x.y.z\r\n\r\n',
  '\0\0\0\0',
];

function wave(t: TestContext, { publicUrl }: SpawnedServer): Socket[] {
  const { hostname: host, port } = new URL(publicUrl);
  const sockets = Array.from({ length: WAVE }, (_, i) => {
    const socket = connect({ host, port: Number(port) });
    socket.on('error', () => {}); // being cut off is what they are for
    socket.resume();
    socket.write(RUBBISH[i % RUBBISH.length]!);
    return socket;
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

test('X-12 flood - connections with nothing or rubbish cost existing streams no event, and leave nothing behind', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const pid = pidOf(server);
  const emit = emitterFor(t, server.controlUrl);
  const streams = await openCrowd(
    t,
    server.publicUrl,
    tokensFor(STREAMS).map((token) => ({ token })),
  );
  const flood = async (numbers: number[], sockets: Socket[]) => {
    sockets.push(...wave(t, server));
    for (let i = 0; i < 10; i += 1) numbers.push(await emit('news', 'x'));
    await eventually(() => streams.every((stream) => stream.numbers.at(-1) === numbers.at(-1)), {
      withinMs: 20_000,
      what: 'the events of a wave on every stream',
    });
  };
  const numbers: number[] = [];
  await flood(numbers, []); // so that the first wave's growth is in what is compared with
  const [files, memory] = [openFiles(pid) - WAVE, residentBytes(pid)];
  const sockets: Socket[] = [];
  for (let i = 0; i < WAVES; i += 1) await flood(numbers, sockets);
  const [filesMost, memoryMost] = [openFiles(pid), residentBytes(pid)];
  for (const { numbers: got, reader } of streams) {
    assert.equal(reader.broken, undefined);
    assert.deepEqual(got, numbers);
  }
  const bound = memory * (1 + MEMORY_SLACK);
  await eventually(() => openFiles(pid) <= STREAMS + 40 && residentBytes(pid) <= bound, {
    withinMs: BACK_MS,
    what: `files and memory as before: ${files}, ${megabytes(memory)}`,
  });
  t.diagnostic(`files: at most ${filesMost}, ${openFiles(pid)} after`);
  t.diagnostic(
    `memory: ${megabytes(memory)} before, ${megabytes(memoryMost)} at the end of the flood, ${megabytes(residentBytes(pid))} after`,
  );
  const last = await emit('news', 'still here');
  await eventually(() => streams.every((stream) => stream.numbers.at(-1) === last));
});
