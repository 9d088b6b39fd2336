/** Revocations over two nodes: in force on each before the answer, and on those that start later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { ask, column, type Node, openOn, tell, twoNodes } from '../support/nodes.ts';
import { startServer } from '../support/server.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();
const NEVER = 9_999_999_999;

async function statusFor(user: string, { publicUrl }: Node): Promise<number> {
  const headers = bearer(tokenFor(user, 'news'));
  const response = await fetch(`${publicUrl}/events/`, { headers });
  await response.body?.cancel();
  return response.status;
}

for (const program of NATS_PROGRAMS) {
  test(`revocations - in force on every node before it is answered, and on one that starts later (${program})`, async (t) => {
    const { urls } = await startNats(t, { program });
    const [a, b] = await twoNodes(t, urls);
    const streams = [await openOn(t, a, 'ann', 'news'), await openOn(t, b, 'ann', 'news')];

    const told = await tell(a, '/revoke/', { userId: 'ann', issuedBefore: NEVER, ttl: 600 });

    assert.deepEqual([told['streams'], told['complete']], [2, undefined]);
    assert.deepEqual([await statusFor('ann', a), await statusFor('ann', b)], [204, 204]);
    await eventually(() => streams.every(({ ended }) => ended));
    // An earlier moment takes nothing back.
    await tell(b, '/revoke/', { userId: 'ann', issuedBefore: 5, ttl: 1 });
    await tell(b, '/revoke/', { tokenId: 'ü \n*.>', ttl: 600 });
    const later = await startServer(t, ['-nats', urls]);
    assert.equal(await statusFor('ann', later), 204);
    assert.equal(await statusFor('bob', later), 200);
    const lists = await Promise.all([a, b, later].map((node) => ask(node, '/revocations/')));
    assert.deepEqual(column(lists[0]!['revocations'], 'userId'), [undefined, 'ann']);
    assert.deepEqual(column(lists[0]!['revocations'], 'issuedBefore'), [undefined, NEVER]);
    assert.deepEqual(lists[1], lists[0]);
    assert.deepEqual(lists[2], lists[0]);
  });
}

test('revocations - of two for one name, made on two nodes at once, the later moments count', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const nodes = await twoNodes(t, urls);
  const moments = [
    { issuedBefore: 2_000, ttl: 60 },
    { issuedBefore: 1_000, ttl: 6_000 },
  ];
  const users = Array.from({ length: 30 }, (_, i) => `u${i}`);
  await Promise.all(
    users.flatMap((userId, i) =>
      moments.flatMap((moment, k) => [
        tell(nodes[k]!, '/revoke/', { userId, ...moment }),
        tell(nodes[(i + k) % 2]!, '/revoke/', { userId, ...moment }),
      ]),
    ),
  );
  const late = Date.now() / 1_000 + 3_000;
  for (const node of nodes) {
    const rows = (await ask(node, '/revocations/'))['revocations'] as Record<string, number>[];
    assert.equal(rows.length, users.length);
    for (const { issuedBefore, until } of rows)
      assert.deepEqual([issuedBefore, until! > late], [2_000, true]);
  }
});

test('revocations - past the bound the next one is refused, until one is over', {
  skip,
}, async (t) => {
  const { urls, jsm, connection } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  await jsm.streams.update('TIDINGS_REVOKED', { max_msgs: 2 });
  const revoke = (node: Node, userId: string, ttl = 600) =>
    post(`${node.controlUrl}/revoke/`, { userId, issuedBefore: NEVER, ttl });
  assert.equal((await revoke(a, 'ann')).status, 200);
  assert.equal((await revoke(b, 'bob')).status, 200);
  const refused = await revoke(a, 'eve');
  assert.equal(refused.status, 429);
  assert.match(refused.text, /REVOCATIONS_FULL/);
  assert.equal(await statusFor('eve', a), 200);
  // One that is kept already takes no more room.
  assert.equal((await revoke(b, 'ann', 700)).status, 200);
  await jsm.streams.update('TIDINGS_REVOKED', { max_msgs: 3 });
  const over = { kind: 'user', name: 'joe', issuedBefore: NEVER, until: 1_000 };
  await connection.request('tidings.r.joe', JSON.stringify(over), { timeout: 2_000 });
  assert.equal((await revoke(b, 'eve')).status, 200);
  assert.equal(await statusFor('eve', a), 204);
  assert.equal((await revoke(b, 'joe')).status, 429);
});

test('revocations - what somebody else wrote into the stream is passed by', { skip }, async (t) => {
  const { urls, connection } = await startNats(t);
  const [a, b] = await twoNodes(t, urls);
  await connection.request('tidings.r.x', 'strange', { timeout: 2_000 });
  const told = await tell(b, '/revoke/', { userId: 'ann', issuedBefore: NEVER, ttl: 60 });
  assert.equal(told['complete'], undefined);
  assert.equal(await statusFor('ann', a), 204);
});
