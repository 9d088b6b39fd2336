/** One delivery is one system call, whatever else happens in the same turn of the event loop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { connectRaw } from '../support/raw-client.ts';
import { ONE_THREAD } from '../support/server.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream, type SseClient } from '../support/sse-client.ts';
import { cannotTrace, sendsDuring } from '../support/strace.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const STREAMS = 50;

async function fiftyStreams(t: TestContext, server: SpawnedServer): Promise<SseClient[]> {
  const open = (_: unknown, i: number) =>
    openStream(t, `${server.publicUrl}/events/`, { headers: bearer(tokenFor(`u${i}`)) });
  return Promise.all(Array.from({ length: STREAMS }, open));
}

// Sends to streams, told from answers on the control port by what a flush ends with.
const deliveries = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.includes('\\r\\n2\\r\\n:\\n"'));

// The signal is on its way for a moment, in which requests could come in one by one. Under strace the state is `t`.
const isStopped = (pid: number): boolean =>
  /^\d+ \(.*\) [tT]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));

const request = (body: string): string =>
  'POST /emit/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n' +
  `Content-Length: ${body.length}\r\n\r\n${body}`;

test('a broadcast to 50 streams is 50 send calls', async (t) => {
  const missing = cannotTrace();
  if (missing !== undefined) return t.skip(missing);
  const server = await spawnServer(t);
  const streams = await fiftyStreams(t, server);

  const lines = await sendsDuring(server.process.pid!, async () => {
    await emit(server.controlUrl, { userId: '*', channel: 'news', payload: 'data: hello' });
    await Promise.all(streams.map((stream) => stream.arrived(1)));
  });

  assert.equal(deliveries(lines).length, STREAMS);
  assert.equal(lines.length, STREAMS + 1, 'and one for the answer');
});

test('16 emits that arrive in one turn are 50 send calls, not 800', async (t) => {
  const missing = cannotTrace();
  if (missing !== undefined) return t.skip(missing);
  const server = await spawnServer(t);
  const streams = await fiftyStreams(t, server);
  const publishers = await Promise.all(
    Array.from({ length: 16 }, () => connectRaw(t, server.controlUrl)),
  );

  const lines = await sendsDuring(server.process.pid!, async () => {
    // While the process stands still the requests gather; it then finds all of them in one turn.
    server.process.kill('SIGSTOP');
    await eventually(() => isStopped(server.process.pid!));
    for (const [i, publisher] of publishers.entries())
      publisher.send(request(`userId=*&channel=news&payload=data%3A+${i}`));
    server.process.kill('SIGCONT');
    await Promise.all(streams.map((stream) => stream.arrived(16)));
    await Promise.all(publishers.map((publisher) => publisher.until(/"streams":50/)));
  });

  assert.equal(deliveries(lines).length, STREAMS);
  for (const stream of streams) {
    const numbers = stream.events.map((event) => Number(event.id!.split('-')[1]));
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
  }
});

test('a delivery stays one send call while an emit is still being answered', async (t) => {
  const missing = cannotTrace();
  if (missing !== undefined) return t.skip(missing);
  const server = await spawnServer(t, ONE_THREAD); // with more, answers are late and the addon closes
  const streams = await fiftyStreams(t, server);
  const publisher = await connectRaw(t, server.controlUrl);

  const lines = await sendsDuring(server.process.pid!, async () => {
    // Pipelined: the second request is parsed in the handler's turn of the first one's answer.
    publisher.send(
      request('userId=*&channel=news&payload=data%3A+1') +
        request('userId=*&channel=news&payload=data%3A+2'),
    );
    await Promise.all(streams.map((stream) => stream.arrived(2)));
    await publisher.until(/"streams":50[\s\S]*"streams":50/);
  });

  assert.equal(deliveries(lines).length, STREAMS);
});
