/** All that a hub knows of the past, out of one process and into the next. */
import { type Dump, dumpEntries, recipientsOf } from '../log/dump.ts';
import { Entry } from '../log/entry.ts';
import type { Epoch } from '../log/lineage.ts';
import { ownBytes } from '../wire/frame.ts';
import type { ChannelIndex } from './channel-index.ts';

export interface Place {
  /** The present one last. */
  readonly epochs: Epoch[];
  readonly head: number;
  /** Seconds of a monotonic clock. */
  readonly now: number;
}

export const dumpOf = (index: ChannelIndex, { epochs, head, now }: Place): Dump => ({
  epochs,
  head,
  evictedElsewhere: index.evictions.elsewhere,
  evictions: index.evicted(),
  entries: dumpEntries(index.channels.values(), now),
});

/** Before any channel comes to be. */
export function restoreTo(index: ChannelIndex, dump: Dump, now: number): void {
  const { retention } = index;
  index.restoreEvicted(dump.evictions, dump.evictedElsewhere);
  for (const { n, to, channels, text, age } of dump.entries) {
    const entry = new Entry({ n, to: recipientsOf(to), bytes: ownBytes(text) }, now - age);
    // All of them first: a prefix that comes to be takes over what is below it, and that is not yet there.
    const logs = index.reached(channels).map((name) => index.channel(name));
    index.fills.fillNow(logs, () => {
      for (const log of logs) retention.append(log, entry, n);
    });
    retention.makeRoom(0, n);
  }
}
