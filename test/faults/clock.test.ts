/** The wall clock jumps while the server runs. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Member, openCrowd } from '../support/crowd.ts';
import { type Emitter, emitterFor, range, scratchFile } from '../support/faults.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

const missingFaketime = existsSync(LIBRARY) ? false : 'libfaketime is not installed';

/** What libfaketime is told, and what that is in seconds. */
const SECONDS: Record<string, number> = {
  '+1h': 3_600,
  '-1h': -3_600,
  '+1d': 86_400,
  '-1d': -86_400,
  '+0': 0,
};

/** Many times as long as what is due may be late. */
const LOOKS_MS = 3_000;

interface Clocked {
  readonly server: SpawnedServer;
  readonly emit: Emitter;
  /** Sets the server's wall clock so far from the true one; its monotonic clock runs on. */
  set(offset: string): void;
}

async function startClocked(t: TestContext, args: readonly string[]): Promise<Clocked> {
  const file = scratchFile(t);
  const set = (offset: string) => writeFileSync(file, `${offset}\n`);
  set('+0');
  const server = await spawnServer(t, ['-drain', '0', ...args], {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  return { server, emit: emitterFor(t, server.controlUrl), set };
}

/** Sets the server's wall clock and waits until it lives by it: what `exp` its tokens have tells. */
async function jumpTo({ server, set }: Clocked, offset: string): Promise<void> {
  set(offset);
  const wanted = Date.now() / 1_000 + SECONDS[offset]! + 60;
  const isThere = async () => {
    const body = new URLSearchParams({ userId: 'ann', channel: 'news', exp: '60' });
    const answer = await fetch(`${server.controlUrl}/token/`, { method: 'POST', body });
    const claims = Buffer.from((await answer.text()).split('.')[1]!, 'base64url').toString();
    return Math.abs((JSON.parse(claims) as { exp: number }).exp - wanted) < 600;
  };
  await eventually(isThere, { what: `the server to live at ${offset}` });
}

async function passed(ms: number): Promise<void> {
  const began = performance.now();
  await eventually(() => performance.now() - began >= ms, { withinMs: ms * 2 });
}

const replay = async (t: TestContext, { server }: Clocked, id: string): Promise<Member> => {
  // Good on any of these clocks.
  const token = tokenFor('ann', 'news', { expiresIn: 1_000_000 });
  return (await openCrowd(t, server.publicUrl, [{ token, lastEventId: id }]))[0]!;
};

test('R-24 clock - steps of an hour and a day: ids go on by one, the log keeps its entries, streams live on', {
  skip: missingFaketime,
  timeout: 60_000,
}, async (t) => {
  const clocked = await startClocked(t, ['-heartbeat', '1', '-history-ttl', '120']);
  const { server, emit } = clocked;
  const [stream] = await openCrowd(t, server.publicUrl, [{ token: tokenFor('bob') }]);
  let last = await emit('news', 'first');
  await eventually(() => stream!.numbers.at(-1) === last);
  const firstId = stream!.reader.lastEventId!;
  for (const jump of Object.keys(SECONDS)) {
    await jumpTo(clocked, jump);
    if (jump === '+1d') await passed(LOOKS_MS);
    const n = await emit('news', jump);
    assert.equal(n, last + 1, `after ${jump}`);
    last = n;
    const again = await replay(t, clocked, firstId);
    await eventually(() => again.numbers.at(-1) === n, { what: `a replay after ${jump}` });
    assert.deepEqual([again.numbers, again.gaps], [range(2, n), []]);
    again.close();
  }
  assert.deepEqual(stream!.numbers, range(1, last));
  assert.deepEqual([stream!.system, stream!.closedAt], [[], undefined]);
});

test('R-24 clock - set back a day, entries and tokens of open streams still come to their end', {
  skip: missingFaketime,
  timeout: 60_000,
}, async (t) => {
  const clocked = await startClocked(t, ['-history-ttl', '1']);
  const { server, emit } = clocked;
  const [witness, expiring] = await openCrowd(t, server.publicUrl, [
    { token: tokenFor('bob') },
    { token: tokenFor('eve', 'news', { expiresIn: 5 }) },
  ]);
  await emit('news', '1');
  await eventually(() => witness!.numbers.length === 1);
  const firstId = witness!.reader.lastEventId!;
  await emit('news', '2');
  await jumpTo(clocked, '-1d');
  await eventually(() => expiring!.endedAt !== undefined, {
    withinMs: 15_000,
    what: 'the end of the token that had 5 s left',
  });
  await eventually(
    async () => {
      const again = await replay(t, clocked, firstId);
      await eventually(() => again.gaps.length > 0 || again.numbers.length > 0);
      again.close();
      return again.gaps[0]?.reason === 'evicted';
    },
    { withinMs: 20_000, what: 'the entries to be evicted' },
  );
  assert.equal(witness!.closedAt, undefined);
});
