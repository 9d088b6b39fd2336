/** How far a node is in the stream of revocations, and what it takes from there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RevocationList } from '../../../src/cluster/revocation-list.ts';
import type { Kept } from '../../../src/cluster/revocation-stream.ts';
import type { Revocation } from '../../../src/hub/revocations.ts';

const NOW = 1_000;

const kept = (n: number, until = NOW + 1): Kept => {
  return { n, revocation: { kind: 'user', name: `u${n}`, issuedBefore: 1, until } };
};

function fixture() {
  const stream = {
    created: 'first',
    all: [] as Kept[],
    isDown: false,
    state: async () => {
      if (stream.isDown) throw new Error('away');
      return { created: stream.created, last: stream.all.at(-1)?.n ?? 0 };
    },
    readAfter: async (n: number) => stream.all.filter((one) => one.n > n),
  };
  const applied: string[] = [];
  const list = new RevocationList({
    stream,
    apply: async (revocations: readonly Revocation[]) => {
      applied.push(...revocations.map(({ name }) => name));
      return revocations.length * 2;
    },
    now: () => NOW,
  });
  return { stream, applied, list };
}

test('revocation list - each is put in force once, and it is known how many streams it has ended', async () => {
  const { stream, applied, list } = fixture();
  stream.all.push(kept(2), kept(5));
  await Promise.all([list.catchUp(), list.catchUp(), list.catchUp()]);
  stream.all.push(kept(9));
  assert.equal(await list.reach(9), 2);
  assert.equal(await list.reach(5), 2);
  assert.equal(list.through, 9);
  assert.deepEqual(applied, ['u2', 'u5', 'u9']);
});

test('revocation list - what comes while it reads is not missed', async () => {
  const { stream, applied, list } = fixture();
  stream.all.push(kept(1));
  const running = list.catchUp();
  await Promise.resolve();
  stream.all.push(kept(2));
  await list.reach(2);
  await running;
  assert.deepEqual(applied, ['u1', 'u2']);
});

test('revocation list - one past its time is passed by', async () => {
  const { stream, applied, list } = fixture();
  stream.all.push(kept(1, NOW), kept(2));
  await list.catchUp();
  assert.deepEqual(applied, ['u2']);
});

test('revocation list - it says when it cannot get so far, and goes on later', async () => {
  const { stream, applied, list } = fixture();
  stream.isDown = true;
  await assert.rejects(list.reach(1), /away/);
  stream.isDown = false;
  await assert.rejects(list.reach(1), /has not reached 1/);
  stream.all.push(kept(1));
  await list.reach(1);
  assert.deepEqual(applied, ['u1']);
});

test('revocation list - a stream that was made anew is read from its beginning', async () => {
  const { stream, applied, list } = fixture();
  stream.all.push(kept(7));
  await list.catchUp();
  stream.created = 'second';
  stream.all = [kept(1), kept(2)];
  await list.catchUp();
  assert.equal(list.through, 2);
  assert.deepEqual(applied, ['u7', 'u1', 'u2']);
});
