import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHANNEL_ORDERS,
  type ChannelOrder,
  type ChannelRow,
  compareChannels,
  forSeveral,
  gatherChannels,
  gatherMembers,
} from '../../../src/hub/census.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { answerOf } from '../../../src/hub/questions.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const open = (hub: Hub, user: string, channel: string) =>
  hub.open(new FakeSink(), { user, channels: [channel], address: '', expiresAt: 3_600 });

function crowd(hubs: number) {
  const numbers = new Random(3);
  const random = () => numbers.next();
  const all = Array.from({ length: hubs }, () => newHub());
  const expected = new Map<string, ChannelRow>();
  for (let i = 0; i < 300; i += 1) {
    const name = `c${Math.floor(random() * 40)}`;
    open(all[i % hubs]!, `u${i % 7}`, name);
    const row = expected.get(name) ?? { name, streams: 0, entries: 0, bytes: 0 };
    expected.set(name, { ...row, streams: row.streams + 1 });
  }
  return { all, expected: [...expected.values()] };
}

function* pages(hubs: Hub[], sort: ChannelOrder, limit: number) {
  let after: ChannelRow | undefined;
  do {
    const question = { ask: 'channels', sort, after, limit, prefix: '' } as const;
    const asked = hubs.length === 1 ? question : forSeveral(question);
    const answers = hubs.map((hub) => structuredClone(answerOf(hub, structuredClone(asked))));
    const page =
      hubs.length === 1 ? { ...answers[0]!, isComplete: true } : gatherChannels(answers, question);
    assert.ok(page.rows.length <= limit && page.isComplete);
    yield page.rows;
    after = page.next;
  } while (after !== undefined);
}

for (const hubs of [1, 3]) {
  test(`census - pages of channels, in every order, of ${hubs} hubs: each once, with its sums`, () => {
    const { all, expected } = crowd(hubs);
    for (const sort of CHANNEL_ORDERS)
      for (const limit of [1, 7, 1_000])
        assert.deepEqual(
          [...pages(all, sort, limit)].flat(),
          expected.sort(compareChannels(sort)),
          `${sort}, ${limit}`,
        );
  });
}

test('census - entries and their bytes, and only names that begin so', () => {
  const hub = newHub();
  append(hub, { n: 1, channels: ['news'], to: undefined, bytes: Buffer.from('x') });
  append(hub, { n: 2, channels: ['talk'], to: undefined, bytes: Buffer.from('x') });
  const question = {
    ask: 'channels',
    sort: 'name',
    after: undefined,
    limit: 9,
    prefix: 'n',
  } as const;
  const { rows } = answerOf(hub, question);
  assert.deepEqual(
    rows.map(({ name, streams, entries, bytes }) => [name, streams, entries, bytes > 0]),
    [['news', 0, 1, true]],
  );
});

test('census - users of a channel in pages, added up over hubs', () => {
  const hubs = [newHub(), newHub()];
  for (const [i, user] of ['ann', 'bob', 'ann', 'eve', 'ann'].entries())
    open(hubs[i % 2]!, user, 'c');
  open(hubs[0]!, 'bob', 'other');
  const found: [string, number][] = [];
  let after: string | undefined;
  do {
    const question = { ask: 'members', channel: 'c', after, limit: 2 } as const;
    const page = gatherMembers(
      hubs.map((hub) => answerOf(hub, question)),
      question,
    );
    assert.equal(page.channel.streams, 5);
    found.push(...page.rows.map(({ user, streams }): [string, number] => [user, streams]));
    after = page.next?.user;
  } while (after !== undefined);
  assert.deepEqual(found, [
    ['ann', 3],
    ['bob', 1],
    ['eve', 1],
  ]);
});
