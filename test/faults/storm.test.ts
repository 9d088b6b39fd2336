/** Everybody leaves at once and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Member, openCrowd } from '../support/crowd.ts';
import { post } from '../support/emitting.ts';
import { emitterFor } from '../support/faults.ts';
import { World } from '../support/ledger-world.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const CLIENTS = 2_000;

/** Generous: clients wait 1 to 4 seconds before they come back. */
const ALL_BACK_MS = 30_000;

const asTold = (retryMs: number): number => retryMs;

const noErrors = (server: SpawnedServer): void =>
  assert.deepEqual(
    server.log().filter((line) => Number(line['level']) >= 50),
    [],
  );

function cutAll(world: World): void {
  for (const client of world.clients) client.reset();
}

const allAway = (world: World) =>
  eventually(() => world.clients.every((client) => !client.isOpen || client.lastId !== undefined));

test('R-13 storm - 2,000 idle streams cut at once are all back in time, and have what they missed', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS, { waitMs: asTold });
  await world.emitter.run(world.plan, { count: 100, perSecond: 50 });
  cutAll(world);
  await world.emitter.run(world.plan, { count: 100, perSecond: 200 });
  await allAway(world);
  const began = performance.now();
  await world.opened(ALL_BACK_MS);
  t.diagnostic(`all back after ${Math.round(performance.now() - began)} ms`);
  await world.settle();
  const account = world.audit();
  assert.equal(account.connections, 2 * CLIENTS);
  assert.equal(account.notices, 0);
  noErrors(server);
});

test('R-14 storm - 2,000 streams cut at once, three times, while emits go on: nothing is lost', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history', '20000']);
  const world = new World(t, server);
  await world.join(server.publicUrl, CLIENTS, { waitMs: asTold });
  const emitting = world.emitter.run(world.plan, { count: 100_000, perSecond: 50 });
  for (let storm = 2; storm <= 4; storm += 1) {
    cutAll(world);
    await eventually(() => world.clients.every((client) => client.receipt.connections >= storm), {
      withinMs: ALL_BACK_MS,
      what: `everybody to be back after storm ${storm - 1}`,
    });
  }
  world.emitter.stop();
  await emitting;
  await world.opened(ALL_BACK_MS);
  await world.settle();
  const account = world.audit();
  assert.equal(account.notices, 0);
  assert.equal(account.refused + account.unknown, 0);
  noErrors(server);
});

/** Of the one who is revoked; with the server's ends they stay under 20,000 files in each process. */
const REVOKED_STREAMS = 5_000;

/** Begun in one turn of the loop. */
const AT_ONCE = 100;

test('R-14 storm - revoked while 5,000 streams come back: no event after it on any of them', {
  timeout: 120_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-max-streams-per-user', '0']);
  const { publicUrl, controlUrl } = server;
  const emit = emitterFor(t, controlUrl);
  const iat = Math.floor(Date.now() / 1_000) - 10;
  const token = tokenFor('ann', 'news', { claims: { iat } });
  const others = await openCrowd(t, publicUrl, Array(100).fill({ token: tokenFor('bob') }));
  const first = await openCrowd(t, publicUrl, Array(REVOKED_STREAMS).fill({ token }));
  const lastEventId = first[0]!.reader.lastEventId;
  for (const member of first) member.reset();
  const before = await emit('news', 'before');

  const members: Member[] = [];
  t.after(() => {
    for (const member of members) member.close();
  });
  const storm = async () => {
    while (members.length < REVOKED_STREAMS) {
      for (let i = 0; i < AT_ONCE; i += 1)
        members.push(new Member(publicUrl, { token, lastEventId }));
      await nextTurn();
    }
  };
  const isUnderWay = () => members.filter(({ isOpen }) => isOpen).length > REVOKED_STREAMS / 5;
  const coming = storm();
  await eventually(isUnderWay, { withinMs: ALL_BACK_MS, what: 'a fifth to be back' });
  const answer = await post(`${controlUrl}/revoke/`, { userId: 'ann', ttl: 60 });
  const after = await emit('news', 'after');
  await coming;
  const isOver = ({ endedAt, reader }: Member) => endedAt !== undefined || reader.status === 204;
  await eventually(() => members.every(isOver), { withinMs: ALL_BACK_MS, what: 'all to be over' });
  await eventually(() => others.every(({ numbers }) => numbers.includes(after)));

  const { streams } = JSON.parse(answer.text) as { streams: number };
  const turnedAway = members.filter(({ reader }) => reader.status === 204).length;
  t.diagnostic(`${streams} ended, ${turnedAway} turned away`);
  assert.ok(streams > 0 && turnedAway > 0, 'it was not in the middle');
  assert.ok(members.some(({ numbers }) => numbers.includes(before)));
  assert.equal(members.filter(({ numbers }) => numbers.includes(after)).length, 0);
  noErrors(server);
});
