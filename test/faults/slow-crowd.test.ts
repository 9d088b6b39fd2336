/** Three hundred readers that read little or nothing, beside five hundred that read all. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Member, numberOf, openCrowd } from '../support/crowd.ts';
import { type Emitter, emitterFor, pidOf, range, tokensFor } from '../support/faults.ts';
import { megabytes, residentBytes, watchMost } from '../support/process-facts.ts';
import { THREADS } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const FAST = 500;
const NEVER = 150;
const SLOW = 150;
const SLOW_BYTES = 2_048;
const FRAME_BYTES = 65_536;
const EVENTS_A_SECOND = 20;
const EVENTS = 1_200;
/** Before the slow ones come: what the fast ones have of a server to themselves. */
const EVENTS_ALONE = 200;
/** After so many the kernel's send buffers of the slow ones are full: 4 MB each, 1.2 GB in all. */
const EVENTS_FILLING = 100;
/** After so many events every third slow reader reads all it can. */
const EVENTS_SLOW = 400;
/** Fewer than `EVENTS_SLOW` by more than what the kernel takes for a reader that does not read. */
const HISTORY = 250;
/** Channels without streams, filled so that the log is as large as it may be all the time. */
const FILLERS = 17;
/** The default. */
const MEMORY_MB = 256;
const STALL_SECONDS = 25;
/**
 * For garbage not yet collected, which is more on busy cores, and what the addon holds of streams that
 * take nothing. A frame that went to several threads is let go when the collector of each has been there.
 */
const SLACK = THREADS === '1' ? 1.3 : 2;
/** So far may the fast ones be behind the emits; on a machine too slow for the rate, emits wait. */
const MOST_BEHIND = 100;

const PADDING = 'x'.repeat(FRAME_BYTES);

/** Lets these take what one read gives, once a second. */
function trickle(t: TestContext, members: readonly Member[]): Set<Member> {
  const slow = new Set(members);
  for (const member of slow) member.pauseAfterRead = true;
  const timer = setInterval(() => {
    for (const member of slow) member.resume();
  }, 1_000);
  t.after(() => clearInterval(timer));
  return slow;
}

async function emitPaced(emit: Emitter, fast: readonly Member[], count: number): Promise<number> {
  const began = performance.now();
  let [first, last] = [0, 0];
  const isBehind = ({ numbers }: Member) => last - (numbers.at(-1) ?? first) >= MOST_BEHIND;
  for (let i = 0; i < count; i += 1) {
    await eventually(() => performance.now() - began >= (i * 1_000) / EVENTS_A_SECOND);
    await eventually(() => !fast.some(isBehind), {
      withinMs: 30_000,
      what: 'the fast ones to follow',
    });
    const now = performance.timeOrigin + performance.now();
    last = await emit('news', `${now.toFixed(1)} ${PADDING}`);
    first ||= last;
  }
  return last;
}

/** Resolves with the number of the last event that fills the log. */
async function fillLog(emit: Emitter): Promise<number> {
  let last = 0;
  for (let i = 0; i < FILLERS * HISTORY; i += 1)
    last = await emit(`filler-${i % FILLERS}`, PADDING);
  return last;
}

/** Collects the latencies of these, in milliseconds. */
function measure(members: readonly Member[], latencies: number[]): void {
  for (const member of members) {
    member.onEvent = ({ data }) => {
      latencies.push(performance.timeOrigin + performance.now() - Number(data.split(' ')[0]));
    };
  }
}

const p99 = (latencies: readonly number[]): number =>
  latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;

/** What came and what is told as missing are, together, everything up to `last`, once and in order. */
function assertAccounted(
  { numbers, gaps, reader }: Member,
  [first, last]: readonly [number, number],
): void {
  assert.equal(reader.broken, undefined);
  const told = gaps.flatMap(({ after, resumed, reason }) => {
    assert.equal(reason, 'lagged');
    return range(numberOf(after) + 1, numberOf(resumed));
  });
  assert.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
    'in order',
  );
  const all = [...numbers, ...told].sort((a, b) => a - b);
  assert.deepEqual(all, range(first, last));
}

test('X-14 slow crowd - 300 of 800 do not keep up: the fast get everything, the slow are told what they lack, memory stays in its budget', {
  timeout: 180_000,
}, async (t) => {
  const server = await spawnServer(t, [
    ...['-drain', '0', '-memory', String(MEMORY_MB), '-history', String(HISTORY)],
    ...['-stall', String(STALL_SECONDS)],
  ]);
  const tokens = tokensFor(FAST + NEVER + SLOW);
  const fast = await openCrowd(
    t,
    server.publicUrl,
    tokens.slice(0, FAST).map((token) => ({ token })),
  );
  const emit = emitterFor(t, server.controlUrl);
  const baseline = residentBytes(pidOf(server));
  const most = watchMost(() => residentBytes(pidOf(server)));
  const begin = await fillLog(emit);
  const alone: number[] = [];
  measure(fast.slice(0, 20), alone);
  const before = await emitPaced(emit, fast, EVENTS_ALONE);
  await eventually(() => fast.every((member) => member.numbers.at(-1) === before));

  const crowd = await openCrowd(
    t,
    server.publicUrl,
    tokens
      .slice(FAST)
      .map((token, i) => (i < NEVER ? { token } : { token, readBytes: SLOW_BYTES })),
  );
  const [never, slow] = [crowd.slice(0, NEVER), crowd.slice(NEVER)];
  for (const member of never) member.pause();
  const trickling = trickle(t, slow);
  const filling: number[] = [];
  measure(fast.slice(0, 20), filling);
  await emitPaced(emit, fast, EVENTS_FILLING);
  const beside: number[] = [];
  measure(fast.slice(0, 20), beside);
  await emitPaced(emit, fast, EVENTS_SLOW - EVENTS_FILLING);
  // Later this process is busy with the reading of what the slow ones have missed.
  measure(fast.slice(0, 20), []);
  const recovering = slow.filter((_, i) => i % 3 === 0);
  for (const member of recovering) {
    trickling.delete(member);
    member.pauseAfterRead = false;
    member.resume();
  }
  const last = await emitPaced(emit, fast, EVENTS - EVENTS_SLOW);
  const isThere = (member: Member) => member.numbers.at(-1) === last;
  await eventually(() => fast.every(isThere), { withinMs: 30_000, what: 'all on the fast ones' });
  const alive = recovering.filter((member) => member.closedAt === undefined);
  await eventually(() => alive.every(isThere), { withinMs: 30_000, what: 'the slow to catch up' });
  const peak = most.stop();

  const gaps = alive.reduce((sum, member) => sum + member.gaps.length, 0);
  const stalled = () => server.log().filter((line) => line['reason'] === 'stalled').length;
  await eventually(() => stalled() >= NEVER, {
    withinMs: STALL_SECONDS * 2_000,
    what: 'those that never read to be closed',
  });
  t.diagnostic(`memory: ${megabytes(baseline)} before, at most ${megabytes(peak)}`);
  const of = (latencies: readonly number[]) => `p99 ${p99(latencies).toFixed(0)} ms`;
  t.diagnostic(`fast: ${of(alone)} alone, ${of(filling)} while buffers fill, ${of(beside)} then`);
  t.diagnostic(`${alive.length} slow ones lived on, ${gaps} gaps`);
  t.diagnostic(`${stalled()} closed as stalled`);
  for (const { numbers, gaps: told } of fast)
    assert.deepEqual([numbers, told], [range(begin + 1, last), []]);
  assert.ok(alive.length > 0 && gaps > 0, 'no slow one lived on to tell of a gap');
  for (const member of alive) assertAccounted(member, [before + 1, last]);
  const allowed = (baseline + MEMORY_MB * 1_048_576) * SLACK;
  assert.ok(peak <= allowed, `${megabytes(peak)} at most, ${megabytes(allowed)} allowed`);
});
