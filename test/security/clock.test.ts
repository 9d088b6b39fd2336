/**
 * The wall clock of the machine is set while streams are open. A token's exp is read from it once,
 * when its stream opens; from then on a clock counts that nobody can set.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const HOUR = 3_600;

/** Debian and its like keep the library in a folder of the architecture. */
function faketimeLibrary(): string | undefined {
  if (!existsSync('/usr/lib')) return undefined;
  return readdirSync('/usr/lib')
    .map((folder) => join('/usr/lib', folder, 'faketime/libfaketimeMT.so.1'))
    .find((path) => existsSync(path));
}

async function serverWithClock(t: TestContext, library: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-clock-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'offset');
  const setOffset = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}`);
  setOffset(0);
  const server = await spawnServer(t, ['-drain', '0'], {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  return { server, setOffset };
}

const open = (t: TestContext, { publicUrl }: SpawnedServer, user: string, expiresIn: number) =>
  openStream(t, `${publicUrl}/events/`, { headers: bearer(tokenFor(user, 'news', { expiresIn })) });

/** Opens streams with a token good for so long, until the answer is the one expected. */
const untilStatus = (
  t: TestContext,
  server: SpawnedServer,
  { expiresIn, status }: { expiresIn: number; status: number },
) =>
  eventually(
    async () => {
      const stream = await open(t, server, 'probe', expiresIn);
      stream.close();
      return stream.status === status;
    },
    { what: `a token of ${expiresIn} s to be answered ${status}` },
  );

test('J-21 clock - set by an hour either way: open streams live on until their token is over', {
  timeout: 60_000,
}, async (t) => {
  const library = faketimeLibrary();
  if (library === undefined) return t.skip('libfaketime is not installed');
  const { server, setOffset } = await serverWithClock(t, library);
  const long = await open(t, server, 'ann', HOUR / 2);
  const short = await open(t, server, 'ann', 6);
  const say = (data: string) =>
    emit(server.controlUrl, { userId: 'ann', channel: 'news', payload: `data: ${data}` });

  setOffset(HOUR);
  await untilStatus(t, server, { expiresIn: HOUR / 2, status: 401 }); // new ones go by the wall clock
  await say('ahead');
  assert.equal((await long.next()).data, 'ahead');
  assert.equal(long.ended, false, 'a clock that jumps ahead drops nobody');

  setOffset(-HOUR);
  await untilStatus(t, server, { expiresIn: -HOUR / 2, status: 200 });
  await say('behind');
  assert.equal((await long.next()).data, 'behind');
  await short.end({ withinMs: 15_000, what: 'the short token to be over, clock set back or not' });
  assert.equal(short.cut, false);
  assert.equal(long.ended, false);
});
