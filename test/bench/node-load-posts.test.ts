/** How both load generators publish: to servers that answer in every way there is, and for no longer than they may. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Behaviour, fakeSse } from '../support/fake-sse.ts';
import { counts, EVENTS, FAULTLESS, RUNS, STREAMS } from '../support/generated.ts';
import { GENERATORS, skipped, startGenerator } from '../support/generator.ts';

/** How servers end an answer; ours does it by Content-Length. */
const ANSWERS: Readonly<Record<string, Behaviour['answer']>> = {
  'in chunks': (response) => {
    response.write('accep');
    response.end('ted');
  },
  'without a body': (response) => response.writeHead(204).end(),
  'and closes': (response) => response.setHeader('Connection', 'close').end('accepted'),
  'until it closes': (response) => {
    response.useChunkedEncodingByDefault = false;
    response.setHeader('Connection', 'close').removeHeader('Transfer-Encoding');
    response.write('accep');
    response.end('ted');
  },
};

for (const kind of GENERATORS) {
  const options = { skip: skipped(kind) };

  for (const [how, answer] of Object.entries(ANSWERS)) {
    test(`generator in ${kind} - posts to a server that answers ${how}`, options, async (t) => {
      const peer = await fakeSse(t, { answer: answer! });
      const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
      assert.deepEqual(counts(await generator.run(RUNS[1]!)), FAULTLESS);
    });
  }

  test(`generator in ${kind} - tells refused posts`, options, async (t) => {
    const answer: Behaviour['answer'] = (response) => response.writeHead(503).end();
    const peer = await fakeSse(t, { answer, send: () => [] });
    const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
    const seen = { refused: EVENTS, deliveries: 0 };
    assert.deepEqual(counts(await generator.run(RUNS[1]!)), { ...FAULTLESS, ...seen });
  });

  for (const mode of ['lockstep', 'closed', 'rate']) {
    test(`generator in ${kind} - publishes no longer than it may, ${mode}`, options, async (t) => {
      const peer = await fakeSse(t);
      const generator = await startGenerator(t, { kind, peer, streams: 2 });
      const answer = await generator.run(`${mode} 1 1000000 100 140 20 0.3`);
      const { posted, deliveries, seconds } = answer as Record<string, number>;
      assert.ok(posted! > 0 && deliveries === 2 * posted!, `${deliveries} of ${posted}`);
      assert.ok(seconds! < 2, `${seconds} s`);
    });
  }

  test(`generator in ${kind} - reads events cut by the borders of chunks`, options, async (t) => {
    const peer = await fakeSse(t, { piece: 7 });
    const generator = await startGenerator(t, { kind, peer, streams: STREAMS });
    assert.deepEqual(counts(await generator.run(RUNS[1]!)), FAULTLESS);
  });
}
