/**
 * A proxy is reloaded: everybody loses their stream and comes back with their last id, when what they
 * have had is long gone from the logs. Only who missed something may be told of a gap.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Hub } from '../../src/hub/hub.ts';
import type { Stream } from '../../src/hub/stream.ts';
import { openCrowd } from '../support/crowd.ts';
import { FakeSink } from '../support/fake-sink.ts';
import { append, newHub } from '../support/hub.ts';
import { LedgerClient } from '../support/ledger-client.ts';
import { World } from '../support/ledger-world.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const TTL_SECONDS = 10;

/** One client in so many misses an event while it is away. */
const MISSING = 10;

const ownOf = (i: number | string): string => `own-${i}`;

interface Member {
  readonly sink: FakeSink;
  readonly stream: Stream;
}

const idsIn = (text: string): string[] => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);

function openAll(hub: Hub, lastIds: readonly (string | undefined)[]): Member[] {
  return lastIds.map((lastEventId, i) => {
    const sink = new FakeSink();
    const rest = { address: '', expiresAt: Number.POSITIVE_INFINITY, lastEventId };
    const stream = hub.open(sink, { user: `u${i}`, channels: [ownOf(i), 'all'], ...rest });
    return { sink, stream };
  });
}

const emitTo = (hub: Hub, i: number): void => {
  const n = hub.head + 1;
  const bytes = Buffer.from(`data: x\nid: e-${n}\n\n`);
  append(hub, { n, channels: [ownOf(i)], to: `u${i}`, bytes });
};

test('all return - 20,000 with a channel each, all they had is evicted: only those are told who missed something', async () => {
  const count = 20_000;
  let time = 0;
  const hub = newHub({
    notices: true,
    retention: { ttlSeconds: TTL_SECONDS },
    now: () => time,
  });
  const expire = () => {
    time += TTL_SECONDS + 1;
    for (const channel of hub.channels.values()) hub.expire(channel);
  };
  const first = openAll(hub, Array<undefined>(count).fill(undefined));
  for (let i = 0; i < count; i += 1) emitTo(hub, i);
  const isThere = ({ sink }: Member, i: number) => sink.text.includes(`id: e-${i + 1}\n`);
  await eventually(() => first.every(isThere), { withinMs: 20_000, what: 'an event for each' });
  expire();
  for (const { stream } of first) stream.aborted();
  for (let i = 0; i < count; i += MISSING) emitTo(hub, i);
  expire();

  const back = openAll(
    hub,
    first.map(({ sink }) => idsIn(sink.text).at(-1)),
  );
  const gapsOf = ({ sink }: Member) => sink.text.split('event: tidings.gap').length - 1;
  const mustKnow = back.filter((_, i) => i % MISSING === 0);
  await eventually(() => mustKnow.every((member) => gapsOf(member) === 1), {
    withinMs: 20_000,
    what: 'a notice for all who missed something',
  });
  const others = back.filter((_, i) => i % MISSING !== 0);
  assert.equal(others.filter((member) => gapsOf(member) > 0).length, 0, 'false alarms');
});

/** Waits until what came after `since` for this user is evicted. */
const evicted = (t: TestContext, world: World, { publicUrl }: { publicUrl: string }) => {
  return async (user: string, since: string): Promise<void> => {
    const token = tokenFor(user, ownOf(user));
    await eventually(
      async () => {
        const [probe] = await openCrowd(t, publicUrl, [{ token, lastEventId: since }]);
        await eventually(() => probe!.gaps.length + probe!.numbers.length > 0);
        probe!.close();
        return probe!.gaps.length > 0;
      },
      { withinMs: 30_000, what: `the log to forget (seed ${world.random.seed})` },
    );
  };
};

test('all return - 2,000 over sockets, all they had is evicted: only those are told who missed something', {
  timeout: 180_000,
}, async (t) => {
  const server = await spawnServer(t, ['-drain', '0', '-history-ttl', '1']);
  const world = new World(t, server);
  const forgotten = evicted(t, world, server);
  for (const { user } of await world.describe(2_000)) {
    const channels = [ownOf(user), 'channel-0'];
    const url = server.publicUrl;
    world.clients.push(new LedgerClient({ url, user, channels, staysAway: true }));
  }
  await world.opened();
  const users = [...new Set(world.clients.map(({ receipt }) => receipt.user))];
  const emitToEach = async (some: readonly string[]) => {
    const left = [...some];
    const plan = () => {
      const user = left.pop() ?? some[0]!;
      return { to: [user], channels: [ownOf(user)], size: 50 };
    };
    await world.emitter.run(plan, { count: some.length, perSecond: 2_000 });
  };
  await emitToEach(users);
  const settled = await world.settle();
  await forgotten(users[0]!, world.since);
  for (const client of world.clients) client.cut();
  const missing = users.filter((_, i) => i % MISSING === 0);
  await emitToEach(missing);
  for (const user of missing) await forgotten(user, settled);
  for (const client of world.clients) client.connect();
  await world.opened();
  await world.settle();
  const account = world.audit();
  const told = world.clients.flatMap(({ receipt }) => receipt.notices.map(() => receipt.user));
  const mustKnow = world.clients.map(({ receipt }) => receipt.user);
  assert.deepEqual(
    told,
    mustKnow.filter((user) => missing.includes(user)),
    'each is told once',
  );
  assert.equal(account.connections, 2 * world.clients.length);
});
