/** Every scenario, in the order of the page. */
import type { Scenario } from '../support/scenario.ts';
import { controlCalls } from './control-calls.ts';
import { controlUnderBroadcast } from './control-under-broadcast.ts';
import { deliveryCost } from './delivery-cost.ts';
import { idleMemory } from './idle-memory.ts';
import { manyPublishers } from './many-publishers.ts';
import { resume } from './resume.ts';
import { slowCrowd } from './slow-crowd.ts';
import { stuckReaders } from './stuck-readers.ts';

/** Those that other servers take part in. */
export const COMPARISONS: readonly Scenario[] = [deliveryCost, manyPublishers, idleMemory];

/** Those that ask about something only our own server has. */
const OURS_ONLY: readonly Scenario[] = [
  controlCalls,
  controlUnderBroadcast,
  stuckReaders,
  slowCrowd,
  resume,
];

export const SCENARIOS: readonly Scenario[] = [...COMPARISONS, ...OURS_ONLY];
