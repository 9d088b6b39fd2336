/** A server in this process on free loopback ports: quick, and open to look inside. */
import assert from 'node:assert/strict';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import type { TokenKeys } from '../../src/config/keys.ts';
import type { HubStats } from '../../src/hub/questions.ts';
import { createLogger } from '../../src/logger.ts';
import { openBackplane } from '../../src/process/backplane.ts';
import { openCluster } from '../../src/process/cluster.ts';
import { Server } from '../../src/process/server.ts';
import { assertRetained } from './hub.ts';
import type { Owner } from './sse-client.ts';
import { SECRET } from './tokens.ts';
import { undo } from './undo.ts';

/** `compat`: tests that ask the control port come to the compatible one, on Node's own server. */
const DOOR = process.env['TEST_DOOR'] ?? '';

/** With how many threads every server is started that is not to have a certain number. */
export const THREADS = process.env['TEST_THREADS'] ?? '1';

/** For tests that put something into the hub of the streams themselves. */
export const ONE_THREAD = ['-threads', '1'];

/** For one of several servers, or tests, that are alike: so both are run, in the time for one. */
export const TWO_THREADS = ['-threads', '2'];

/** What the hubs of a server say together. */
export async function statsOf(server: Server): Promise<HubStats> {
  const all = await server.ask({ ask: 'stats' });
  const sum = (of: (stats: HubStats) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    streams: sum(({ streams }) => streams),
    blockedStreams: sum(({ blockedStreams }) => blockedStreams),
    slowStreams: sum(({ slowStreams }) => slowStreams),
    channels: sum(({ channels }) => channels),
    retainedBytes: sum(({ retainedBytes }) => retainedBytes),
    head: Math.max(...all.map(({ head }) => head)),
  };
}

/** An error in another thread fails the test that runs. */
export function fail(error: Error): never {
  throw error;
}

export interface RunningServer {
  readonly server: Server;
  readonly publicUrl: string;
  readonly controlUrl: string;
  /** `publicUrl` with `/events/` */
  readonly eventsUrl: string;
  /** The JSON log lines so far. */
  readonly log: Record<string, unknown>[];
}

/** Stopped after the test, which also asserts that nothing is left open. */
export async function startServer(t: Owner, args: readonly string[] = []): Promise<RunningServer> {
  const base = [
    '-bind',
    '127.0.0.1:0',
    '-bindctl',
    '127.0.0.1:0',
    '-drain',
    '0',
    '-log-level',
    'debug',
  ];
  const threads = args.includes('-threads') ? [] : ['-threads', THREADS];
  const compat = DOOR === 'compat' ? ['-bindctl-compat', '127.0.0.1:0'] : [];
  const hasKey = ['-secret-file', '-public-key', '-jwks'].some((flag) => args.includes(flag));
  const secret = hasKey ? [] : ['-secret', SECRET];
  const config = resolveConfig(
    parseOptions([...base, ...threads, ...compat, ...secret, ...args], {}),
  );
  const log: Record<string, unknown>[] = [];
  const output = {
    write: (line: string) => {
      log.push(JSON.parse(line) as Record<string, unknown>);
    },
  };
  const logger = createLogger(config['log-level'], output);
  const keys = config.keys as TokenKeys;
  const failed = fail;
  const backplane = await openBackplane(config, { logger, failed });
  const cluster = await openCluster(config, logger);
  const server = new Server({
    config: { ...config, keys },
    logger,
    log: output,
    failed,
    backplane,
    cluster,
  });
  await server.start();
  undo(t, async () => {
    await server.stop();
    assert.equal(server.hub.streams.size, 0, 'streams left open');
    assert.equal(server.hub.flow.blockedStreams.size, 0, 'blocked streams left');
    assert.equal(server.hub.flow.slowStreams.size, 0, 'slow streams left');
    assertRetained(server.hub);
  });
  const { publicUrl } = server;
  const controlUrl = compat.length > 0 ? server.compatUrl : server.controlUrl;
  return { server, publicUrl, controlUrl, eventsUrl: `${publicUrl}/events/`, log };
}
