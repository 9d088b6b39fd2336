/** Two thousand tokens that expire in the same second. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCrowd } from '../support/crowd.ts';
import { emitterFor, range } from '../support/faults.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { bearer, sign, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const STREAMS = 2_000;
/** From the first token on; enough to open all streams on a busy machine. */
const LIFE_SECONDS = 15;
/** All streams end so long after `exp` at most. */
const WAVE_SECONDS = 2;

const unixSeconds = (): number => (performance.timeOrigin + performance.now()) / 1_000;

test('R-30 expiry - 2,000 tokens of the same second: streams end within 2 s of it, others get every event meanwhile', {
  timeout: 60_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const emit = emitterFor(t, server.controlUrl);
  const [other] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('other', 'live') }]);
  const exp = Math.floor(unixSeconds()) + LIFE_SECONDS;
  const tokens = Array.from({ length: STREAMS }, (_, i) =>
    sign(JSON.stringify({ userId: `u${i}`, channel: 'news', exp })),
  );
  const wave = await openCrowd(
    t,
    server.publicUrl,
    tokens.map((token) => ({ token })),
  );
  const last = await emit('news', 'to all that are about to end');
  assert.ok(unixSeconds() < exp, 'the streams were not open in time');

  const ended = () => wave.filter((member) => member.endedAt !== undefined).length;
  await eventually(() => ended() > 0, { withinMs: LIFE_SECONDS * 1_000, what: 'the wave' });
  const numbers: number[] = [];
  let during = 0;
  while (ended() < STREAMS) {
    assert.ok(unixSeconds() < exp + 15, `${ended()} of ${STREAMS} have ended`);
    const n = await emit('live', 'x');
    numbers.push(n);
    await eventually(() => other!.numbers.at(-1) === n, { what: 'an event during the wave' });
    if (ended() < STREAMS) during += 1;
  }
  const times = wave.map((member) => (performance.timeOrigin + member.endedAt!) / 1_000 - exp);
  const [first, latest] = [Math.min(...times), Math.max(...times)];
  t.diagnostic(
    `ended ${first.toFixed(3)} to ${latest.toFixed(3)} s after exp; ${during} live events meanwhile`,
  );
  assert.ok(first >= -0.05, `one ended ${-first} s early`);
  assert.ok(latest <= WAVE_SECONDS, `the last ended ${latest} s late`);
  // The wave is over within some 100 ms: one event that gets through shows that it held nobody up.
  assert.ok(during >= 1, `no event got through meanwhile`);
  assert.deepEqual(other!.numbers, numbers);
  for (const member of wave) {
    assert.ok(member.reader.isWhole);
    assert.deepEqual([member.numbers, member.system], [range(last, last), ['tidings.expiring']]);
  }
  const again = await fetch(`${server.publicUrl}/events/`, { headers: bearer(tokens[0]!) });
  assert.equal(again.status, 401);
});
