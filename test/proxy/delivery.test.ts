/** Bytes pass every proxy at once, whole and in order. The heartbeat is out of the way: nothing else pushes them. */
import assert from 'node:assert/strict';
import { withoutOpening } from '../support/opening.ts';
import { emit } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually, within } from '../support/wait.ts';
import { behindEach, startBehind } from './proxies.ts';

const NO_HEARTBEAT = { args: ['-heartbeat', '60'] };
const EVENT_COUNT = 100;
/** What the delivery of one event may take; the middle one of all must, the machine being shared. */
const PROMPT_MS = 100;

behindEach(
  'a silent stream gets its head and first bytes at once',
  async (t, kind) => {
    const { url } = await startBehind(t, kind, NO_HEARTBEAT);
    const headers = { ...bearer(tokenFor('ann')), 'accept-encoding': 'gzip, deflate, br' };

    const start = performance.now();
    const stream = await within(openStream(t, url, { headers }), { withinMs: 3_000 });
    await eventually(() => stream.text.endsWith('\n:\n'), { withinMs: 3_000 });
    t.diagnostic(`${kind.name}: first bytes after ${(performance.now() - start).toFixed(0)} ms`);

    assert.equal(stream.status, 200);
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    assert.equal(stream.headers['cache-control'], 'no-cache, no-store, no-transform');
    assert.equal(stream.headers['content-encoding'], undefined);
    assert.equal(stream.headers['content-length'], undefined);
    assert.match(stream.text, /^retry: [1-4]\d{3}\n/);
    assert.equal(withoutOpening(stream.text), '');
  },
  { oneByOne: true },
);

behindEach(
  'an event is there before the next one is sent',
  async (t, kind) => {
    const { url, server } = await startBehind(t, kind, NO_HEARTBEAT);
    const stream = await openStream(t, url, { headers: bearer(tokenFor('ann')) });
    const tookMs: number[] = [];

    for (let n = 0; n < EVENT_COUNT; n++) {
      const start = performance.now();
      await emit(server.controlUrl, { userId: 'ann', channel: 'news', payload: `data: ${n}` });
      const event = await stream.next({ withinMs: 5_000, what: `event ${n}` });
      assert.equal(event.data, String(n));
      tookMs.push(performance.now() - start);
    }

    tookMs.sort((a, b) => a - b);
    const middle = tookMs[EVENT_COUNT / 2]!;
    const lateCount = tookMs.filter((ms) => ms > PROMPT_MS).length;
    t.diagnostic(`${kind.name}: middle ${middle.toFixed(1)} ms, ${lateCount} over ${PROMPT_MS} ms`);
    assert.ok(middle <= PROMPT_MS, `half of the events took more than ${PROMPT_MS} ms`);
  },
  { oneByOne: true },
);

behindEach('a 200 kB event arrives whole', async (t, kind) => {
  const { url, server } = await startBehind(t, kind, {
    args: [...NO_HEARTBEAT.args, '-max-body', '1000000'],
  });
  const stream = await openStream(t, url, { headers: bearer(tokenFor('ann')) });
  const data = '0123456789'.repeat(20_000);

  await emit(server.controlUrl, { userId: 'ann', channel: 'news', payload: `data: ${data}` });

  const event = await stream.next({ withinMs: 10_000 });
  assert.equal(event.data, data);
});

behindEach(
  'a hundred streams get one emit',
  async (t, kind) => {
    const { url, server } = await startBehind(t, kind, NO_HEARTBEAT);
    const opening = Array.from({ length: 100 }, (_, n) =>
      openStream(t, url, { headers: bearer(tokenFor(`user-${n}`)) }),
    );
    const streams = await Promise.all(opening);

    const { body } = await emit(server.controlUrl, {
      userId: '*',
      channel: 'news',
      payload: 'data: all',
    });

    assert.equal(body['streams'], streams.length);
    const events = await Promise.all(streams.map((stream) => stream.next({ withinMs: 10_000 })));
    for (const event of events) assert.equal(event.data, 'all');
  },
  { oneByOne: true },
);
