/** Real NATS servers on free ports of this machine: one, or three that stand in for each other. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';
import { leaveOutLateWrites } from '../../src/nats/late-writes.ts';
import { freePorts } from './free-ports.ts';
import type { Owner } from './sse-client.ts';
import { runs } from './tools.ts';
import { undo } from './undo.ts';
import { eventually, within } from './wait.ts';

/** A current one, built by scripts/install-test-tools.sh where there is Go, and Debian's. */
const CANDIDATES = ['.cache/go/bin/nats-server', '/usr/sbin/nats-server', 'nats-server'];

const isThere = (program: string): boolean => runs(program, '--version');

/** Each is to be tested; none: the tests are left out. */
export const NATS_PROGRAMS = CANDIDATES.filter(isThere).slice(0, 2);

/** How long the faults of a cluster are repeated, in seconds; 0: each once, which is enough for a change. */
export const CLUSTER_SECONDS = Number(process.env['CLUSTER_SECONDS'] ?? 0);

/** For what another server hardly changes: one of them, unless there is time. */
export const ONE_PROGRAM = CLUSTER_SECONDS > 0 ? NATS_PROGRAMS : NATS_PROGRAMS.slice(0, 1);

/** e.g. `2.9.10` */
export const versionOf = (program: string): string =>
  /v(\d+\.\d+\.\d+)/.exec(spawnSync(program, ['--version']).stdout.toString())?.[1] ?? 'unknown';

/** The reason to skip a test that needs NATS, or false; in CI its lack is a failure. */
export function withoutNats(): string | false {
  if (NATS_PROGRAMS.length > 0) return false;
  const reason = 'nats-server is missing: run scripts/install-test-tools.sh as root';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

/** A question that is lost with a connection is asked again after so long, in milliseconds. */
const ASK_MS = 2_000;

export class NatsServer {
  readonly url: string;
  readonly name: string;
  /** The folder of what it stores. */
  readonly store: string;
  readonly #command: readonly string[];
  #process: ChildProcess | undefined;

  constructor(store: string, port: number, command: readonly string[]) {
    this.name = basename(store);
    this.store = store;
    this.url = `nats://127.0.0.1:${port}`;
    this.#command = command;
  }

  start(): void {
    const [program, ...args] = this.#command;
    this.#process = spawn(program!, args, { stdio: 'ignore' });
  }

  /** Of the process that runs now. */
  get pid(): number {
    return this.#process!.pid!;
  }

  /** SIGTERM, SIGKILL: resolves when it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await within(exited, { withinMs: 10_000, what: 'the end of nats-server' });
  }

  /** SIGSTOP: a black hole that takes everything and answers nothing; SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }
}

export interface Nats {
  readonly servers: readonly NatsServer[];
  /** As `-nats` takes it. */
  readonly urls: string;
  /** A connection of the test's own. */
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
}

export interface NatsOptions {
  readonly count?: 1 | 3;
  readonly program?: string;
  /** Lines for the configuration of each server. */
  readonly config?: string;
  /** What the test's own connection needs besides. */
  readonly connect?: ConnectionOptions;
}

/** One server, or three in a cluster; gone after the test, with what they stored. */
export async function startNats(
  t: Owner,
  { count = 1, program = NATS_PROGRAMS[0]!, config: more = '', connect: own }: NatsOptions = {},
): Promise<Nats> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-nats-'));
  const ports = await freePorts(count * 2);
  const routes = ports.slice(count).map((port) => `"nats://127.0.0.1:${port}"`);
  const servers = Array.from({ length: count }, (_, i) => {
    const name = `n${i + 1}`;
    const config = join(folder, `${name}.conf`);
    mkdirSync(join(folder, name));
    const cluster =
      count === 1
        ? ''
        : `cluster { name: T, host: 127.0.0.1, port: ${ports[count + i]}, no_advertise: true, routes: [${routes}] }`;
    writeFileSync(
      config,
      `host: 127.0.0.1\nport: ${ports[i]}\nserver_name: ${name}\njetstream { store_dir: "${join(folder, name)}", max_mem: 256M, max_file: 4G }\n${cluster}\n${more}\n`,
    );
    return new NatsServer(join(folder, name), ports[i]!, [program, '-c', config]);
  });
  let connection: NatsConnection | undefined;
  undo(t, async () => {
    await connection?.close();
    await Promise.all(servers.map((server) => server.stop('SIGKILL')));
    rmSync(folder, { recursive: true });
  });
  leaveOutLateWrites();
  for (const server of servers) server.start();
  const urls = servers.map(({ url }) => url).join(',');
  connection = await eventually(
    () =>
      tryTo(() =>
        connect({
          servers: urls.split(','),
          maxReconnectAttempts: -1,
          reconnectTimeWait: 200,
          // Leaves a server that is stopped: by default it would wait for minutes.
          ...{ pingInterval: 1_000, maxPingOut: 2, timeout: 2_000 },
          ...own,
        }),
      ),
    {
      withinMs: 10_000,
      what: 'a NATS server',
    },
  );
  const open = connection!;
  const jsm = await eventually(
    () =>
      tryTo(async () => {
        const manager = await jetstreamManager(open, { timeout: ASK_MS });
        await manager.getAccountInfo();
        return manager;
      }),
    { withinMs: 20_000, what: 'JetStream' },
  );
  return { servers, urls, connection: open, jsm: jsm! };
}

async function tryTo<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}
