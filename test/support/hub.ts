/** A hub without sockets, and the sum of what it ought to count. */
import assert from 'node:assert/strict';
import { Hub, type HubOptions } from '../../src/hub/hub.ts';
import {
  CHANNEL_OVERHEAD_BYTES,
  cost,
  Entry,
  type NewEntry,
  PLACE_BYTES,
} from '../../src/log/entry.ts';
import type { RetentionLimits } from '../../src/log/retention.ts';

export interface TestHubOptions extends Partial<Omit<HubOptions, 'retention' | 'notices'>> {
  readonly retention?: Partial<RetentionLimits>;
  /** Whether `tidings.*` are sent; most tests look at nothing but the entries. */
  readonly notices?: boolean;
}

export function newHub({ retention, notices = false, ...rest }: TestHubOptions = {}): Hub {
  return new Hub({
    epoch: 'e',
    ...rest,
    retention: { capacity: 1_000, ttlSeconds: 60, budgetBytes: 50_000_000, ...retention },
    notices: { isOn: notices, heartbeatSeconds: 15 },
  });
}

/** As the publisher does it: room first. */
export function append(hub: Hub, entry: NewEntry): number {
  hub.admit({ ...entry, byteLength: entry.bytes.length });
  hub.append([entry]);
  return hub.audience(entry);
}

export const entryOf = (n: number, to: Entry['to'] = undefined, text = `${n}`): Entry =>
  new Entry({ n, to, bytes: Buffer.from(text) }, n);

/** Bytes counted in the budget are those that are there: entries once, their further places, channels that hold some. */
export function assertRetained(hub: Hub): void {
  const entries = new Set<Entry>();
  let sum = 0;
  for (const { log } of hub.channels.values()) {
    for (const entry of log.after(0)) {
      if (entries.has(entry)) sum += PLACE_BYTES;
      entries.add(entry);
    }
    if (log.count > 0) sum += CHANNEL_OVERHEAD_BYTES;
  }
  for (const { heldEntry } of hub.streams) if (heldEntry !== undefined) entries.add(heldEntry);
  for (const entry of entries) sum += cost(entry);
  assert.equal(hub.retainedBytes, sum, 'bytes counted in the budget that are not there');
}
