/** Every scenario, in the order of the page. */
import type { Scenario } from '../support/scenario.ts';
import { bulk } from './bulk.ts';
import { cluster } from './cluster.ts';
import { connectStorm } from './connect-storm.ts';
import { controlCalls } from './control-calls.ts';
import { controlUnderBroadcast } from './control-under-broadcast.ts';
import { deliveryCost } from './delivery-cost.ts';
import { idleMemory } from './idle-memory.ts';
import { latency } from './latency.ts';
import { manyPublishers } from './many-publishers.ts';
import { oneUser } from './one-user.ts';
import { ownChannels } from './own-channels.ts';
import { prefixes } from './prefixes.ts';
import { presence } from './presence.ts';
import { publishRate } from './publish-rate.ts';
import { reconnectStorm } from './reconnect-storm.ts';
import { scraped } from './scrape.ts';
import { slowCrowd } from './slow-crowd.ts';
import { stuckReaders } from './stuck-readers.ts';
import { threads } from './threads.ts';
import { twoChannels } from './two-channels.ts';

/** Those that other servers take part in. */
export const COMPARISONS: readonly Scenario[] = [
  deliveryCost,
  manyPublishers,
  latency,
  oneUser,
  idleMemory,
  connectStorm,
  reconnectStorm,
  stuckReaders,
  publishRate,
  bulk,
  cluster,
];

/** Those that ask about something only our own server has. */
const OURS_ONLY: readonly Scenario[] = [
  ownChannels,
  twoChannels,
  prefixes,
  threads,
  controlCalls,
  controlUnderBroadcast,
  slowCrowd,
  scraped,
  presence,
];

export const SCENARIOS: readonly Scenario[] = [...COMPARISONS, ...OURS_ONLY];
