/** Three NATS servers and two nodes, of which one has two threads, and a network of its own that can be broken. */
import { fixedAddresses } from './ledger-world.ts';
import { type Nats, type NatsServer, startNats } from './nats.ts';
import { NatsLinks } from './nats-links.ts';
import { TWO_THREADS } from './server.ts';
import { type SpawnedServer, spawnServer } from './spawn-server.ts';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

const STREAM = 'TIDINGS';

/** A process that can be started again at its addresses. */
export class ClusterNode {
  now: SpawnedServer;
  readonly #start: () => Promise<SpawnedServer>;

  private constructor(now: SpawnedServer, start: () => Promise<SpawnedServer>) {
    this.now = now;
    this.#start = start;
  }

  static async start(t: Owner, args: readonly string[]): Promise<ClusterNode> {
    const addresses = await fixedAddresses();
    const start = () => spawnServer(t, [...addresses, ...args]);
    return new ClusterNode(await start(), start);
  }

  async again(): Promise<void> {
    this.now = await this.#start();
  }

  get isReady(): Promise<boolean> {
    return fetch(`${this.now.controlUrl}/readyz`).then(({ status }) => status === 200);
  }
}

export interface Cluster {
  readonly nats: Nats;
  /** Between the second node and NATS. */
  readonly links: NatsLinks;
  readonly nodes: readonly [ClusterNode, ClusterNode];
}

/** `args`: of both nodes; `program`: the NATS server. */
export async function startCluster(
  t: Owner,
  args: readonly string[],
  program?: string,
): Promise<Cluster> {
  const nats = await startNats(t, { count: 3, ...(program !== undefined && { program }) });
  const links = await NatsLinks.open(t, nats);
  const node = (urls: string, ...more: string[]) =>
    ClusterNode.start(t, ['-nats', urls, '-nats-replicas', '3', ...args, ...more]);
  return { nats, links, nodes: [await node(nats.urls), await node(links.urls, ...TWO_THREADS)] };
}

/** The server that leads the stream, once there is one. */
export async function leaderOf({ jsm, servers }: Nats): Promise<NatsServer> {
  const name = await eventually(
    async () => (await jsm.streams.info(STREAM).catch(() => undefined))?.cluster?.leader,
    { withinMs: 40_000, what: 'a leader' },
  );
  return servers.find((server) => server.name === name)!;
}

/** Waits until each server has all of the stream: until then the loss of another is one too many. */
export async function allCurrent({ jsm }: Nats): Promise<void> {
  await eventually(
    async () => {
      const info = await jsm.streams.info(STREAM).catch(() => undefined);
      const replicas = info?.cluster?.replicas ?? [];
      return replicas.length === 2 && replicas.every(({ current }) => current);
    },
    { withinMs: 60_000, what: 'three servers with all of the stream' },
  );
}

/** Asks the leader to leave it to another. */
export async function stepDown(nats: Nats): Promise<void> {
  await leaderOf(nats);
  await nats.connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM}`, '', { timeout: 5_000 });
}
