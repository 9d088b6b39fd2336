#!/usr/bin/env node
/** The command `tidings`: arguments and environment in, exit code and signals out. */
import { randomBytes } from 'node:crypto';
import { tokenSigner } from './auth/auth.ts';
import { type Config, parseOptions, resolveConfig } from './config/config.ts';
import type { TokenKeys } from './config/keys.ts';
import { helpText } from './config/options.ts';
import { TidingsError } from './errors.ts';
import { createLogger } from './logger.ts';
import { openBackplane } from './process/backplane.ts';
import { openCluster } from './process/cluster.ts';
import { type LogOutput, standardError } from './process/log-output.ts';
import { Server } from './process/server.ts';
import { startWarnings } from './process/start-warnings.ts';
import { VERSION } from './version.ts';

/** Exit code when the command line or the surroundings do not allow a start. */
const EXIT_CANNOT_START = 2;

const DEMO_TOKEN_SECONDS = 86_400;

async function main(): Promise<void> {
  const values = parseOptions(process.argv.slice(2), process.env);
  if (values.help) return console.log(helpText());
  if (values.version) return console.log(VERSION);
  const config = withKeys(resolveConfig(values));
  // The arguments may hold the secret; a title takes their place in the process list.
  process.title = 'tidings';
  const log = standardError();
  process.on('exit', () => log.flush());
  const logger = createLogger(config['log-level'], log);
  const { keys } = config;
  for (const warning of startWarnings(config, process.env)) logger.warn(warning);
  const failed = (error: Error) => fail(error);
  // Side by side: each waits some seconds where the server that it asks first says nothing.
  const joining = openCluster(config, logger);
  joining.catch(() => {});
  const backplane = await openBackplane(config, { logger, failed });
  const cluster = await joining;
  const server = new Server({ config, logger, log, failed, backplane, cluster });
  const fail = (error: unknown) => void server.abandon().finally(() => crash(error));
  if (config.threadCount > 1) process.on('uncaughtException', fail);
  stopOnSignals(server, log);
  await server.start();
  if (config.dev && keys.kind === 'secret') console.log(greeting(server, keys.secret, config));
}

// Without any key: a terminal or -dev gets one for this run, everything else is a mistake.
function withKeys(config: Config): Config & { keys: TokenKeys } {
  const { keys } = config;
  if (keys !== undefined) return { ...config, keys };
  if (!config.dev && !process.stdout.isTTY)
    throw new TidingsError(
      'CONFIG_INVALID',
      'no secret: give -secret, -secret-file, TIDINGS_SECRET, -public-key or -jwks, or -dev to try it out',
    );
  return {
    ...config,
    dev: true,
    keys: { kind: 'secret', secret: randomBytes(32).toString('hex') },
  };
}

function greeting({ publicUrl, controlUrl }: Server, secret: string, config: Config): string {
  const token = tokenSigner(
    secret,
    config.tokens,
  )({
    userId: 'demo',
    channels: ['demo'],
    seconds: Math.min(DEMO_TOKEN_SECONDS, config['max-token-life']),
  });
  const [stream, publicBase] = curlTarget(publicUrl);
  const [control, controlBase] = curlTarget(controlUrl);
  return `
tidings is listening. Secret of this run: ${secret}

Open a stream:
  curl -N ${stream}-H 'Authorization: Bearer ${token}' ${publicBase}/events/
In another terminal, emit an event to it:
  curl ${control}-d userId=demo -d channel=demo -d 'payload=data: hello' ${controlBase}/emit/
Or open a page that does both:
  ${controlBase}/
`;
}

// A unix socket is an option of curl's, not an address.
const curlTarget = (url: string): [string, string] =>
  url.startsWith('unix:')
    ? [`--unix-socket ${url.slice('unix:'.length)} `, 'http://localhost']
    : ['', url];

// npm hands on a signal that the terminal has given to all of its processes already, so a second one
// may come at once.
function stopOnSignals(server: Server, log: LogOutput): void {
  let isStopping = false;
  const stop = () => {
    if (isStopping) return server.hasten();
    isStopping = true;
    server
      .stop()
      .then(() => log.close())
      .then(() => process.exit(0), crash);
  };
  // SIGHUP: the terminal it was started from is closed. There is nothing to read anew, nor to reopen.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);
}

function crash(error: unknown): void {
  if (error instanceof TidingsError) {
    console.error(`tidings: ${error.message}`);
    process.exit(EXIT_CANNOT_START);
  }
  console.error(error);
  process.exit(1);
}

main().catch(crash);
