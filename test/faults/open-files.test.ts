/** A process that may open 300 files, and 400 clients. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Member, openCrowd } from '../support/crowd.ts';
import { emitterFor, pidOf, tokensFor } from '../support/faults.ts';
import { cpuShare, limitedTo, limitFiles } from '../support/file-limit.ts';
import { openFiles } from '../support/process-facts.ts';
import { missing } from '../support/proxy.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const FILES = 300;
const CLIENTS = 400;
/** Log lines about being full, whatever it is that they say. */
const MOST_LINES = 20;
/** The share of a core that a full server without traffic may use. */
const MOST_CPU = 0.3;

async function assertControlAnswers({ controlUrl }: SpawnedServer): Promise<void> {
  const { status } = await fetch(`${controlUrl}/healthz`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5_000),
  });
  assert.equal(status, 200);
}

/** Starts a server that finds the limit when it starts, as one started by a service manager does. */
function startLimited(t: TestContext): Promise<SpawnedServer> {
  return spawnServer(t, ['-drain', '0'], limitedTo(FILES));
}

/** Starts a server whose limit becomes lower than what it has made itself ready for. */
async function startThenLimit(t: TestContext): Promise<SpawnedServer> {
  const server = await spawnServer(t, ['-drain', '0']);
  limitFiles(pidOf(server), FILES);
  return server;
}

/** What is wrong with a server that has no room for all these clients. */
async function faultsWhileFull(t: TestContext, server: SpawnedServer, clients: Member[]) {
  const pid = pidOf(server);
  const linesBefore = server.log().length;
  const answered = () =>
    clients.filter(({ reader, closedAt }) => reader.status > 0 || closedAt).length;
  await eventually(() => answered() >= FILES / 2, { what: 'half of the streams' });
  const share = await cpuShare(pid);
  t.diagnostic(`${openFiles(pid)} files open, ${answered()} of ${CLIENTS} answered or closed`);
  t.diagnostic(`${(share * 100).toFixed(1)} % of a core while full`);
  const faults: string[] = [];
  if (share > MOST_CPU) faults.push(`spins: ${(share * 100).toFixed(0)} % of a core`);
  await assertControlAnswers(server).catch((error: unknown) => faults.push(`control: ${error}`));
  const lines = server.log().length - linesBefore;
  if (lines > MOST_LINES) faults.push(`${lines} log lines`);
  if (openFiles(pid) >= FILES) faults.push('no file is left in reserve');
  if (answered() < CLIENTS) faults.push(`${CLIENTS - answered()} clients wait for an answer`);
  return faults;
}

async function assertRecovers(t: TestContext, server: SpawnedServer): Promise<void> {
  await eventually(() => openFiles(pidOf(server)) < 60, {
    withinMs: 30_000,
    what: 'files to be closed',
  });
  await assertControlAnswers(server);
  const [stream] = await openCrowd(t, server.publicUrl, [{ token: tokensFor(1)[0]! }]);
  const n = await emitterFor(t, server.controlUrl)('news', 'after');
  await eventually(() => stream!.numbers.at(-1) === n, { what: 'an event after all have left' });
}

for (const [when, start] of [
  ['from its start', startLimited],
  ['later', startThenLimit],
] as const) {
  test(`X-13 R-25 open files - 300 allowed ${when}, 400 clients: the control port answers, nothing spins, all is well again after`, {
    skip: missing('prlimit'),
    timeout: 120_000,
  }, async (t) => {
    const server = await start(t);
    const clients = tokensFor(CLIENTS).map((token) => new Member(server.publicUrl, { token }));
    t.after(() => {
      for (const client of clients) client.close();
    });
    const faults = await faultsWhileFull(t, server, clients);
    for (const client of clients) client.close();
    await assertRecovers(t, server);
    assert.deepEqual(faults, []);
  });
}
