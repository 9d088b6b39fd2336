/** The way to other machines, loaded only where there is one. */
import { BYTES_PER_MEGABYTE, type Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Backplane } from '../nats/backplane.ts';
import type { NatsAddress } from '../nats/connect.ts';

/** The stream may take so many times the memory for events, on disk: a bound, and not what ends a history. */
const DISK_SHARE = 4;

export interface BackplaneHost {
  readonly logger: Logger;
  /** The process is to end. */
  readonly failed: (error: Error) => void;
}

/** Undefined without `-nats`. Waits for the servers. @throws TidingsError `CONFIG_INVALID`, `BACKPLANE_DOWN` */
export async function openBackplane(
  config: Config,
  { logger, failed }: BackplaneHost,
): Promise<Backplane | undefined> {
  if (config.nats.length === 0) return undefined;
  const { Backplane } = await import('../nats/backplane.ts');
  return Backplane.open({
    address: addressOf(config),
    policy: {
      replicas: config['nats-replicas'],
      historySeconds: config['history-ttl'],
      maxBytes: config.memory * BYTES_PER_MEGABYTE * DISK_SHARE,
    },
    logger,
    failed,
  });
}

/** Where the servers of NATS are, and what they want to see. */
export const addressOf = (config: Config): NatsAddress => ({
  servers: config.nats,
  creds: config['nats-creds'],
  ca: config['nats-ca'],
  cert: config['nats-cert'],
  key: config['nats-key'],
});

/** Whether emits can go their way: a condition of `/readyz`, where there is a way. */
export const conditionsOf = (backplane: Backplane | undefined): Backplane['condition'][] =>
  backplane === undefined ? [] : [backplane.condition];
