/** Three NATS servers, two nodes, and things that break under load: nothing acknowledged is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEventId } from '../../src/wire/event-id.ts';
import { type Nats, startNats, withoutNats } from '../support/nats.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream, type SseClient } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();
const CHANNELS = ['a', 'b', 'c/d', 'c/e'];

/** Emits one after the other, on one channel each, through both nodes, until it is told to stop. */
class Load {
  readonly accepted: string[] = [];
  readonly unknown = new Set<string>();
  #isOver = false;
  readonly #runs: Promise<void>[];

  constructor(nodes: readonly SpawnedServer[]) {
    this.#runs = CHANNELS.flatMap((channel) =>
      nodes.map((node, i) => this.#run(node, channel, `${channel}:${i}`)),
    );
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#runs);
  }

  async #run({ controlUrl }: SpawnedServer, channel: string, name: string): Promise<void> {
    for (let i = 0; !this.#isOver; i += 1) {
      const label = `${name}:${i}`;
      const body = new URLSearchParams({ userId: '*', channel, payload: `data: ${label}` });
      const answer = await fetch(`${controlUrl}/emit/`, { method: 'POST', body });
      await answer.arrayBuffer();
      if (answer.status === 200) this.accepted.push(label);
      else if (answer.status === 504) this.unknown.add(label);
    }
  }
}

function assertWhole(stream: SseClient, load: Load): void {
  const data = stream.events.map((event) => event.data);
  const numbers = stream.events.map(({ id }) => parseEventId(id ?? '')?.n ?? 0);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    'order, and nothing twice',
  );
  assert.equal(new Set(data).size, data.length, 'nothing twice');
  const accepted = new Set(load.accepted);
  const missing = load.accepted.filter((label) => !new Set(data).has(label));
  assert.deepEqual(missing, [], 'accepted but not delivered');
  const foreign = data.filter((label) => !accepted.has(label) && !load.unknown.has(label));
  assert.deepEqual(foreign, [], 'delivered but refused');
}

async function leaderOf({ jsm, servers }: Nats) {
  const name = await eventually(
    async () => (await jsm.streams.info('TIDINGS').catch(() => undefined))?.cluster?.leader,
    { withinMs: 20_000, what: 'a leader' },
  );
  return servers.find((server) => server.name === name)!;
}

const BREAKS: [string, (nats: Nats) => Promise<void>][] = [
  [
    'the leader of the stream is killed and comes back',
    async (nats) => {
      const leader = await leaderOf(nats);
      await leader.stop('SIGKILL');
      leader.start();
    },
  ],
  [
    'the leader of the stream answers nothing any more, for a while',
    async (nats) => {
      const leader = await leaderOf(nats);
      leader.signal('SIGSTOP');
      const others = { ...nats, servers: nats.servers };
      await eventually(
        async () => {
          const info = await others.jsm.streams.info('TIDINGS').catch(() => undefined);
          return info?.cluster?.leader !== undefined && info.cluster.leader !== leader.name;
        },
        { withinMs: 40_000, what: 'another leader' },
      );
      leader.signal('SIGCONT');
    },
  ],
  [
    'the leader has to step down, three times',
    async (nats) => {
      for (let i = 0; i < 3; i += 1) {
        await leaderOf(nats);
        await nats.connection.request('$JS.API.STREAM.LEADER.STEPDOWN.TIDINGS', '', {
          timeout: 5_000,
        });
      }
    },
  ],
];

for (const [what, breakIt] of BREAKS) {
  test(`cluster - nothing accepted is lost when ${what}`, { skip }, async (t) => {
    const nats = await startNats(t, { count: 3 });
    const args = ['-nats', nats.urls, '-nats-replicas', '3', '-history-ttl', '600'];
    const nodes = [await spawnServer(t, args), await spawnServer(t, args)];
    const headers = bearer(tokenFor('ann', CHANNELS));
    const streams = await Promise.all(
      nodes.map(({ publicUrl }) => openStream(t, `${publicUrl}/events/`, { headers })),
    );
    await Promise.all(streams.map((stream) => eventually(() => stream.everything.length > 0)));
    const load = new Load(nodes);
    await eventually(() => load.accepted.length > 100, { withinMs: 20_000 });

    await breakIt(nats);
    const before = load.accepted.length;
    await eventually(() => load.accepted.length > before + 100, {
      withinMs: 40_000,
      what: 'emits after it',
    });
    await load.stop();

    const last = new Set(load.accepted);
    for (const stream of streams) {
      await eventually(
        () => stream.events.filter(({ data }) => last.has(data)).length === last.size,
        { withinMs: 20_000, what: `all ${last.size} events` },
      ).catch(() => {}); // what is missing is told below
      assertWhole(stream, load);
    }
    assert.deepEqual(streams[0]!.events, streams[1]!.events.slice(0, streams[0]!.events.length));
    t.diagnostic(`${load.accepted.length} accepted, ${load.unknown.size} unknown`);
  });
}
