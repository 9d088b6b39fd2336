/** The other nodes, known only where there is a way to them. */
import type { Cluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import { addressOf } from './backplane.ts';

/** Undefined without `-nats`. Waits for the servers. @throws TidingsError `CONFIG_INVALID`, `BACKPLANE_DOWN` */
export async function openCluster(config: Config, logger: Logger): Promise<Cluster | undefined> {
  if (config.nats.length === 0) return undefined;
  const { Cluster } = await import('../cluster/cluster.ts');
  const replicas = config['nats-replicas'];
  const graceSeconds = config.grace;
  return Cluster.open({ address: addressOf(config), replicas, graceSeconds, logger });
}
