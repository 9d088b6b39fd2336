/** Readers that are not stuck but nearly so: they must cost the others nothing, and end. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OPENED } from '../support/opening.ts';
import { connectRaw, dechunk, type RawClient, streamRequest } from '../support/raw-client.ts';
import { ONE_THREAD, type RunningServer, startServer } from '../support/server.ts';
import { emit } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const TRICKLERS = 8;
const EVENT_BYTES = 200_000;
/** 30 MB a stream: more than a loopback socket's two buffers take. */
const EVENTS = 150;

async function reader(t: TestContext, { publicUrl }: RunningServer, user: string) {
  const raw = await connectRaw(t, publicUrl);
  raw.send(streamRequest(tokenFor(user)));
  await raw.until(OPENED);
  return raw;
}

/** From now on the process takes one byte a second; the kernel shows the sender a closed window. */
function trickle(t: TestContext, raw: RawClient): void {
  raw.socket.removeAllListeners('data').pause();
  raw.socket.on('readable', () => {});
  const timer = setInterval(() => raw.socket.read(1), 1_000);
  t.after(() => clearInterval(timer));
}

/** Opens and closes the window in turn. */
function toggle(t: TestContext, raw: RawClient): void {
  const timer = setInterval(() => {
    if (raw.socket.isPaused()) raw.socket.resume();
    else raw.socket.pause();
  }, 100);
  t.after(() => clearInterval(timer));
}

const numbers = (text: string): string[] =>
  [...text.matchAll(/data: (\d+) x/g)].map((match) => match[1]!);

test('X-15 trickle - a byte a second is a stall; one that takes turns gets all; nobody waits for them', {
  timeout: 120_000,
}, async (t) => {
  const running = await startServer(t, ['-stall', '3', '-history', '10000', ...ONE_THREAD]);
  const { hub } = running.server;
  for (let i = 0; i < TRICKLERS; i += 1) trickle(t, await reader(t, running, `slow${i}`));
  const inTurns = await reader(t, running, 'turns');
  toggle(t, inTurns);
  const quick = await openStream(t, running.eventsUrl, { headers: bearer(tokenFor('quick')) });

  const wanted = Array.from({ length: EVENTS }, (_, i) => `${i}`);
  for (const n of wanted) {
    const payload = `data: ${n} ${'x'.repeat(EVENT_BYTES)}`;
    assert.equal(
      (await emit(running.controlUrl, { userId: '*', channel: 'news', payload })).status,
      200,
    );
  }
  await quick.arrived(EVENTS, { withinMs: 30_000 });
  assert.deepEqual(numbers(quick.text), wanted);
  const stalled = () => running.log.filter((line) => line['reason'] === 'stalled');
  await eventually(() => stalled().length === TRICKLERS, {
    withinMs: 30_000,
    what: 'the trickling readers to be closed as stalled',
  });
  assert.ok(stalled().every((line) => String(line['user']).startsWith('slow')));
  await eventually(
    () => inTurns.size > EVENTS * EVENT_BYTES && hub.flow.blockedStreams.size === 0,
    {
      withinMs: 30_000,
      what: 'the reader that takes turns to have had all',
    },
  );
  assert.deepEqual(numbers(dechunk(inTurns.bytes).toString('latin1')), wanted);
  assert.deepEqual([...hub.streams].map((stream) => stream.user).sort(), ['quick', 'turns']);
});
