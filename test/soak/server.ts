/** A server in a process of its own that tells, when asked, what it is made of. Run by `fork`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import type { TokenKeys } from '../../src/config/keys.ts';
import { createLogger } from '../../src/logger.ts';
import { Server } from '../../src/process/server.ts';
import { assertRetained } from '../support/hub.ts';
import { fail } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { SECRET } from '../support/tokens.ts';
import { within } from '../support/wait.ts';

export interface Stats {
  /** Resident memory, in bytes. */
  readonly rss: number;
  readonly heapUsed: number;
  /** Of buffers, which lie outside the heap. */
  readonly arrayBuffers: number;
  readonly retainedBytes: number;
  /** What is wrong with the sum of them, if it is. */
  readonly wrong: string | undefined;
  readonly streams: number;
  readonly channels: number;
  /** Log lines of level warn and above, and the last of them. */
  readonly warnings: number;
  readonly lastWarning: string;
}

interface Addresses {
  readonly publicUrl: string;
  readonly controlUrl: string;
}

const SELF = fileURLToPath(import.meta.url);

export class SoakServer {
  readonly publicUrl: string;
  readonly controlUrl: string;
  readonly #process: ChildProcess;

  constructor(child: ChildProcess, { publicUrl, controlUrl }: Addresses) {
    this.#process = child;
    this.publicUrl = publicUrl;
    this.controlUrl = controlUrl;
  }

  /** Ended by `t.after`. */
  static async start(t: Owner, args: readonly string[]): Promise<SoakServer> {
    const child = fork(SELF, args, { execArgv: [] });
    const exited = once(child, 'exit');
    t.after(async () => {
      if (child.connected) child.disconnect();
      await within(exited, { withinMs: 30_000, what: 'the server to end' });
    });
    const [addresses] = (await once(child, 'message')) as [Addresses];
    return new SoakServer(child, addresses);
  }

  /** To be called again only when it has answered. */
  async stats(): Promise<Stats> {
    const answer = once(this.#process, 'message');
    this.#process.send('stats');
    const [stats] = await within(answer, { withinMs: 30_000, what: 'figures of the server' });
    return stats as Stats;
  }
}

function wrongWith({ hub }: Server): string | undefined {
  try {
    assertRetained(hub);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

async function serve(args: readonly string[]): Promise<void> {
  const addresses = ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0', '-drain', '0'];
  const options = parseOptions([...addresses, '-secret', SECRET, ...args], {});
  const config = resolveConfig(options);
  let [warnings, lastWarning] = [0, ''];
  const log = {
    write: (line: string) => {
      warnings += 1;
      lastWarning = line;
    },
  };
  const logger = createLogger('warn', log);
  const keys = config.keys as TokenKeys;
  const server = new Server({ config: { ...config, keys }, logger, log, failed: fail });
  await server.start();
  process.on('message', () => {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    const { retainedBytes, streams, channels } = server.hub;
    const stats: Stats = {
      ...{ rss, heapUsed, arrayBuffers, retainedBytes, wrong: wrongWith(server) },
      ...{ warnings, lastWarning },
      ...{ streams: streams.size, channels: channels.size },
    };
    process.send!(stats);
  });
  process.on('disconnect', () => void server.stop().then(() => process.exit()));
  process.send!({ publicUrl: server.publicUrl, controlUrl: server.controlUrl });
}

if (process.argv[1] === SELF) await serve(process.argv.slice(2));
