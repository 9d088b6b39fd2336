/** A process at its limit of open files, where connections of both listeners take their share. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Member } from '../support/crowd.ts';
import { pidOf, tokensFor } from '../support/faults.ts';
import { cpuShare, limitedTo, limitFiles } from '../support/file-limit.ts';
import { openFiles } from '../support/process-facts.ts';
import { missing } from '../support/proxy.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const FILES = 160;
/** The share of a core that a full server without traffic may use; one that spins uses all of it. */
const MOST_CPU = 0.3;
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

function openMembers(t: TestContext, { publicUrl }: SpawnedServer, count: number): Member[] {
  const members = tokensFor(count).map((token) => new Member(publicUrl, { token }));
  t.after(() => {
    for (const member of members) member.close();
  });
  return members;
}

const openOf = (members: readonly Member[]): number =>
  members.filter(({ reader, closedAt }) => reader.status === 200 && closedAt === undefined).length;

const settled = (members: readonly Member[]): Promise<boolean> =>
  eventually(() => members.every(({ reader, closedAt }) => reader.status > 0 || closedAt), {
    withinMs: 20_000,
    what: 'every stream opened or refused',
  });

const refusals = (server: SpawnedServer): number =>
  server.log().filter(({ msg }) => String(msg).startsWith('connections refused')).length;

/** Connections to the control port that ask for something, and are kept by a server that would. */
function openControl(t: TestContext, { controlUrl }: SpawnedServer, count: number) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const client = await connectRaw(t, controlUrl);
      client.send(HEALTH);
      return client;
    }),
  );
}

async function controlAnswers({ controlUrl }: SpawnedServer): Promise<boolean> {
  const response = await fetch(`${controlUrl}/healthz`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5_000),
  }).catch(() => undefined);
  return response?.status === 200;
}

const answered = ({ text }: RawClient): boolean => text.startsWith('HTTP/1.1 200');

test('no files - 160 allowed, 90 streams and 70 control connections: refused and told, nothing spins, control answers', {
  skip: missing('prlimit'),
  timeout: 90_000,
}, async (t) => {
  const server = await spawnServer(t, [], limitedTo(FILES));
  const members = openMembers(t, server, 90);
  await settled(members);
  assert.equal(openOf(members), 90);
  const clients = await openControl(t, server, 70);
  assert.ok(await controlAnswers(server), 'control answers at once');
  await eventually(() => clients.every((client) => answered(client) || client.closed));
  const late = openMembers(t, server, 40);
  await settled(late);
  const share = await cpuShare(pidOf(server));
  t.diagnostic(`${openFiles(pidOf(server))} files open, ${(share * 100).toFixed(1)} % of a core`);
  assert.ok(share < MOST_CPU, `${share} of a core`);
  assert.equal(refusals(server), 1);
  assert.ok(openFiles(pidOf(server)) < FILES);
  assert.equal(openOf(members), 90);
  assert.ok(await controlAnswers(server), 'control answers');
});

test('no files - the limit is raised under a running server: it takes as many more', {
  skip: missing('prlimit'),
  timeout: 60_000,
}, async (t) => {
  const server = await spawnServer(t, [], limitedTo(FILES));
  const few = openMembers(t, server, FILES);
  await settled(few);
  assert.ok(openOf(few) <= FILES - 64, `${openOf(few)}`);
  limitFiles(pidOf(server), 600);
  const more = openMembers(t, server, 200);
  await settled(more);
  assert.equal(openOf(more), 200);
});

test('no files - the limit is lowered below what is open: nothing spins, and it recovers', {
  skip: missing('prlimit'),
  timeout: 90_000,
}, async (t) => {
  const server = await spawnServer(t);
  const members = openMembers(t, server, 200);
  await settled(members);
  limitFiles(pidOf(server), 100);
  const late = openMembers(t, server, 50);
  const share = await cpuShare(pidOf(server));
  assert.ok(share < MOST_CPU, `${share} of a core`);
  await settled(late);
  assert.equal(openOf(late), 0);
  assert.equal(openOf(members), 200);
  for (const member of members) member.close();
  await eventually(() => controlAnswers(server), { withinMs: 20_000, what: 'the control port' });
});
