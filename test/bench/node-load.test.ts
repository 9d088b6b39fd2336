/** Both load generators against the same servers: the one in Node has to see what the one in C sees. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { markerText, nowNs } from '../../bench/node-load/marker.ts';
import { tidings } from '../../bench/peers/tidings.ts';
import { Cleanup } from '../../bench/support/cleanup.ts';
import type { RunningPeer } from '../../bench/support/peer.ts';
import { upload } from '../../bench/support/upload.ts';
import { type Behaviour, fakeSse } from '../support/fake-sse.ts';
import { counts, EVENTS, FAULTLESS, RUNS, STREAMS } from '../support/generated.ts';
import { type Answer, GENERATORS, skipped, startGenerator } from '../support/generator.ts';

async function server(t: TestContext): Promise<RunningPeer> {
  const owner = new Cleanup();
  t.after(() => owner.close());
  return tidings.start(owner);
}

function assertQuantiles(value: unknown, what: string): void {
  const { p50Us, p99Us, maxUs } = value as Record<string, number>;
  assert.ok(p50Us! > 0 && p50Us! <= p99Us! && p99Us! <= maxUs! * 1.02, `${what} of ${p50Us} µs`);
}

for (const kind of GENERATORS) {
  const options = { skip: skipped(kind) };

  test(
    `generator in ${kind} - counts every delivery of our server, in order`,
    options,
    async (t) => {
      const peer = await server(t);
      const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
      assert.equal(generator.opened['open'], STREAMS);
      assert.equal(generator.opened['deliveries'], 0, 'the opening frame is no event');
      for (const line of RUNS) {
        const answer = await generator.run(line);
        assert.deepEqual(counts(answer), FAULTLESS, line);
        assert.ok('answers' in answer && 'latency' in answer, line);
        for (const [name, value] of Object.entries(answer))
          if (Array.isArray(value))
            assert.ok(value.every((us) => us > 0) && value.length > 0, name);
          else if (typeof value === 'object') assertQuantiles(value, `${line}: ${name}`);
        for (const name of ['bytes', 'seconds', 'loadCpuShare', 'serverCpuUs', 'serverCpuShare'])
          assert.ok((answer[name] as number) > 0, `${line}: ${name} is ${answer[name]}`);
      }
      assert.equal(await generator.end(), 0);
    },
  );

  test(
    `generator in ${kind} - reads a replay that comes right behind the head`,
    options,
    async (t) => {
      const text = Array.from({ length: 10 }, (_, n) => n.toString(16).padStart(8, '0'));
      const replay = text.map((sequence) => `data: @0100${sequence}${'0'.repeat(16)}\n\n`).join('');
      const peer = await fakeSse(t, { greeting: replay });
      const args = ['-replay', '10'];
      const { opened } = await startGenerator(t, { kind, peer, streams: STREAMS, args });
      const { open, deliveries, outOfOrder } = opened;
      assert.deepEqual(
        { open, deliveries, outOfOrder },
        { open: STREAMS, deliveries: 10 * STREAMS, outOfOrder: 0 },
      );
    },
  );

  test(`generator in ${kind} - does not count what a server says of itself`, options, async (t) => {
    const opening =
      'retry: 2500\n:\nevent: tidings.open\ndata: {"heartbeat":15,"expires":3600}\nid: abc-7\n\n';
    const peer = await fakeSse(t, { greeting: opening, piece: 7 });
    const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
    const { open, deliveries, outOfOrder } = generator.opened;
    assert.deepEqual(
      { open, deliveries, outOfOrder },
      { open: STREAMS, deliveries: 0, outOfOrder: 0 },
    );
    for (const line of RUNS) assert.deepEqual(counts(await generator.run(line)), FAULTLESS, line);
  });

  test(`generator in ${kind} - opens each stream with a token of its own`, options, async (t) => {
    const seen: string[] = [];
    const peer = await fakeSse(t, {
      subscribed: ({ url, headers }) => seen.push(`${url} ${headers.authorization}`),
    });
    const subscribe = (index: number) => ({
      path: `/${index}`,
      headers: [`Authorization: Bearer token-${index}`],
    });
    await startGenerator(t, { kind, peer: { ...peer, subscribe }, streams: STREAMS });
    const expected = Array.from({ length: STREAMS }, (_, n) => `/${n} Bearer token-${n}`);
    assert.deepEqual(seen.sort(), expected.sort());
  });

  test(`generator in ${kind} - sees that unread streams were closed`, options, async (t) => {
    const peer = await fakeSse(t, { resets: true });
    const crowd = { kind, peer, streams: STREAMS, args: ['-stuck'] };
    const generator = await startGenerator(t, crowd);
    assert.equal((await generator.run('closed 1 0 0 140 2'))['streams'], STREAMS);
    await generator.run('closed 1 1 0 140 2');
    assert.equal((await generator.run('closed 1 0 0 140 2'))['streams'], 0);
  });

  test(
    `generator in ${kind} - hears what somebody else publishes, and at each stream only its own`,
    options,
    async (t) => {
      const peer = await server(t);
      const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
      const publish = async (run: number, sequenceFor: (index: number) => number) => {
        const text = (i: number) =>
          markerText({ run, publisher: 0, sequence: sequenceFor(i), stamp: nowNs() });
        const lines = Array.from({ length: STREAMS }, (_, i) => peer.bulk!.line(i, text(i)));
        const block = Buffer.from(lines.join(''));
        const { accepted } = await upload({ to: peer.emit, bulk: peer.bulk!, block, times: 1 });
        assert.equal(accepted, STREAMS);
      };
      const heard = { ...FAULTLESS, posted: 0, deliveries: STREAMS };
      assert.deepEqual(await generator.run('hear 1 0 0 0 20'), { hearing: STREAMS });
      await publish(1, (index) => index);
      const answer = await generator.next();
      assert.deepEqual(counts(answer), heard);
      assertQuantiles(answer['latency'], 'latency');
      await generator.run('hear 1 0 0 0 20');
      await publish(2, (index) => (index < 2 ? 1 - index : index));
      assert.deepEqual(counts(await generator.next()), { ...heard, outOfOrder: 2 });
    },
  );

  test(
    `generator in ${kind} - hears as many events as it was told, all of them at each stream`,
    options,
    async (t) => {
      const peer = await server(t);
      const readers = await startGenerator(t, {
        kind,
        peer,
        streams: STREAMS,
        args: ['-nice', '1'],
      });
      const publisher = await startGenerator(t, { kind, peer, streams: 0 });
      assert.deepEqual(await readers.run(`hear 1 ${EVENTS} 0 0 20`), { hearing: STREAMS });
      assert.equal((await publisher.run(`closed 1 ${EVENTS} 0 140 20`))['posted'], EVENTS);
      const heard = { ...FAULTLESS, posted: 0, deliveries: EVENTS * STREAMS };
      assert.deepEqual(counts(await readers.next()), heard);
      await readers.run(`hear 1 ${EVENTS} 0 0 20`);
      await publisher.run(`closed 1 ${EVENTS - 1} 0 140 20`);
      const fewer = { ...heard, deliveries: (EVENTS - 1) * STREAMS };
      assert.deepEqual(counts(await readers.next()), fewer);
    },
  );

  const faulty = (name: string, behaviour: Behaviour, check: (answer: Answer) => void) =>
    test(`generator in ${kind} - ${name}`, options, async (t) => {
      const peer = await fakeSse(t, behaviour);
      const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
      check(await generator.run(`rate 1 ${EVENTS} 500 140 20`));
    });

  faulty(
    'tells events that were lost',
    { send: (events) => (events.length % 10 === 5 ? [] : events.slice(-1)) },
    // The next event after a lost one is not the one expected.
    (answer) => {
      const seen = { deliveries: (EVENTS - 10) * STREAMS, outOfOrder: 10 * STREAMS };
      assert.deepEqual(counts(answer), { ...FAULTLESS, ...seen });
    },
  );

  faulty(
    'tells an event that came twice',
    { send: (events) => (events.length === 5 ? [events[4]!, events[4]!] : events.slice(-1)) },
    // The run may end before the last event is everywhere: as many deliveries as it waits for are there.
    (answer) => {
      const { deliveries, ...others } = counts(answer);
      assert.ok((deliveries as number) >= FAULTLESS.deliveries, `${deliveries} deliveries`);
      assert.deepEqual({ ...FAULTLESS, ...others }, { ...FAULTLESS, outOfOrder: STREAMS });
    },
  );

  faulty(
    'tells events in the wrong order',
    {
      send: (events) => {
        if (events.length === 5) return [];
        return events.length === 6 ? [events[5]!, events[4]!] : events.slice(-1);
      },
    },
    // The later one too early, the earlier one too late, and the one after both.
    (answer) => assert.deepEqual(counts(answer), { ...FAULTLESS, outOfOrder: 3 * STREAMS }),
  );
}

/** Every name in an answer, those inside of it as `latency.p50Us`. */
const namesIn = (answer: Answer): string[] =>
  Object.entries(answer).flatMap(([name, value]) =>
    typeof value === 'object'
      ? namesIn(value as Answer).map((inner) => `${name}.${inner}`)
      : [name],
  );

test('generator in Node - prints the figures that the one in C prints', {
  skip: skipped('C'),
}, async (t) => {
  const peer = await fakeSse(t);
  const [inC, inNode] = await Promise.all(
    GENERATORS.map(async (kind) => {
      const { opened, run } = await startGenerator(t, { kind, peer, streams: 1 });
      return [...namesIn(opened), ...namesIn(await run('closed 1 0 0 140 2'))];
    }),
  );
  assert.deepEqual(inNode!.sort(), inC!.sort());
});
