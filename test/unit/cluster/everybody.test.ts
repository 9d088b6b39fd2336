/** Who is on which node, though bulletins are lost, late, and come while a list is on its way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulletins, type Change } from '../../../src/cluster/bulletins.ts';
import { Everybody, type Present } from '../../../src/cluster/everybody.ts';
import { Random } from '../../support/prng.ts';

/** A node whose list is asked for, and a count of the nodes that each name is on. */
function setUp() {
  const asked: { node: string; answer: (present: Present | undefined) => void }[] = [];
  const counts = new Map<string, number>();
  const everybody = new Everybody({
    ask: (node) => new Promise((answer) => asked.push({ node, answer })),
    tell: (what, name, isHere) => {
      const count = (counts.get(`${what} ${name}`) ?? 0) + (isHere ? 1 : -1);
      assert.ok(count >= 0);
      if (count === 0) counts.delete(`${what} ${name}`);
      else counts.set(`${what} ${name}`, count);
    },
  });
  const names = () => [...counts].map(([name, count]) => `${name} ${count}`).sort();
  return { everybody, asked, names };
}

const comes = (name: string): Change => ({ what: 'user', name, isHere: true });
const goes = (name: string): Change => ({ what: 'user', name, isHere: false });

test('everybody - what two nodes say is known, and what is lost with one', () => {
  const { everybody, asked, names } = setUp();
  everybody.lives('a', 0);
  everybody.take({ node: 'a', n: 1, changes: [comes('ann'), comes('bob')] });
  everybody.take({
    node: 'b',
    n: 1,
    changes: [comes('ann'), { ...comes('news'), what: 'channel' }],
  });
  everybody.take({ node: 'a', n: 2, changes: [goes('bob')] });
  everybody.lives('a', 2);
  assert.deepEqual(names(), ['channel news 1', 'user ann 2']);
  everybody.gone('b');
  assert.deepEqual(names(), ['user ann 1']);
  assert.equal(asked.length, 0);
});

test('everybody - a node of which a bulletin is missing is asked once, and what comes meanwhile counts', async () => {
  const { everybody, asked, names } = setUp();
  everybody.take({ node: 'a', n: 1, changes: [comes('ann')] });
  everybody.take({ node: 'a', n: 3, changes: [comes('eve')] });
  everybody.take({ node: 'a', n: 4, changes: [comes('joe')] });
  everybody.lives('a', 4);
  assert.deepEqual(
    asked.map(({ node }) => node),
    ['a'],
  );
  // The list was made between the third and the fourth.
  asked[0]!.answer({ n: 3, users: ['bob', 'eve'], channels: [] });
  await Promise.resolve();
  assert.deepEqual(names(), ['user bob 1', 'user eve 1', 'user joe 1']);
  everybody.take({ node: 'a', n: 5, changes: [goes('bob')] });
  assert.deepEqual(names(), ['user eve 1', 'user joe 1']);
});

test('everybody - one that does not answer is asked again with its next heartbeat', async () => {
  const { everybody, asked, names } = setUp();
  everybody.lives('a', 7);
  asked[0]!.answer(undefined);
  await Promise.resolve();
  everybody.lives('a', 7);
  asked[1]!.answer({ n: 7, users: ['ann'], channels: [] });
  await Promise.resolve();
  everybody.lives('a', 7);
  assert.deepEqual([names(), asked.length], [['user ann 1'], 2]);
});

test('everybody - a list of a node that is gone meanwhile brings nobody back', async () => {
  const { everybody, asked, names } = setUp();
  everybody.lives('a', 1);
  everybody.gone('a');
  asked[0]!.answer({ n: 1, users: ['ann'], channels: [] });
  await Promise.resolve();
  assert.deepEqual(names(), []);
});

test('everybody - agrees with the nodes at last, whatever is lost', async () => {
  const random = new Random();
  const { everybody, asked, names } = setUp();
  const nodes = ['a', 'b', 'c'].map((node) => {
    const here = new Set<string>();
    const bulletins = new Bulletins(node, (bulletin) => {
      if (random.below(3) > 0) everybody.take(bulletin);
    });
    return { node, here, bulletins };
  });
  const answerAll = async (loses: boolean) => {
    for (const { node, answer } of asked.splice(0)) {
      const { here, bulletins } = nodes.find((one) => one.node === node)!;
      bulletins.flush();
      const list = { n: bulletins.newest, users: [...here], channels: [] };
      answer(loses && random.below(3) === 0 ? undefined : list);
      // The answer is there before what it leads to.
      if (random.below(2) === 0) await Promise.resolve();
    }
    await Promise.resolve();
  };
  for (let step = 0; step < 3_000; step += 1) {
    const { node, here, bulletins } = nodes[random.below(3)]!;
    const name = `u${random.below(20)}`;
    const isHere = !here.has(name);
    if (isHere) here.add(name);
    else here.delete(name);
    bulletins.note({ what: 'user', name, isHere });
    if (random.below(3) === 0) bulletins.flush();
    if (random.below(10) === 0) everybody.lives(node, bulletins.newest);
    if (random.below(10) === 0) await answerAll(true);
  }
  for (let round = 0; round < 3; round += 1) {
    for (const { node, bulletins } of nodes) {
      bulletins.flush();
      everybody.lives(node, bulletins.newest);
    }
    await answerAll(false);
  }
  const counts = new Map<string, number>();
  for (const { here } of nodes)
    for (const name of here) counts.set(name, (counts.get(name) ?? 0) + 1);
  const wanted = [...counts].map(([name, count]) => `user ${name} ${count}`).sort();
  assert.deepEqual(names(), wanted, `seed ${random.seed}`);
});
