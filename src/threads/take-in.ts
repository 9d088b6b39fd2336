/** What a thread takes of a batch: the entries for channels that somebody here is on. */
import type { Hub } from '../hub/hub.ts';
import type { NewEntry } from '../log/entry.ts';
import type { ReceivedBatch } from './batch.ts';

/** Takes it in, and tells of each entry for how many streams of this thread it is. */
export function takeIn(hub: Hub, batch: ReceivedBatch, thread: number): void {
  if (batch.lost !== undefined) hub.lost(batch.lost);
  const isQuiet = batch.lists.map((channels) => hub.elsewhere.isQuiet(channels));
  /** By list of channels: number of its newest entry that is not taken. */
  const passed = isQuiet.map(() => 0);
  const taken: NewEntry[] = [];
  for (let i = 0; i < batch.count; i += 1) {
    const list = batch.listOf(i);
    if (isQuiet[list]) {
      passed[list] = Math.max(passed[list]!, batch.numberOf(i));
      batch.tell(thread, i, 0);
    } else if (batch.numberOf(i) === 0) batch.tell(thread, i, hub.audience(batch.addressOf(i)));
    else {
      const entry = batch.entry(i);
      taken.push(entry);
      batch.tell(thread, i, hub.audience(entry));
    }
  }
  hub.append(taken);
  for (const [list, n] of passed.entries()) if (n > 0) hub.elsewhere.pass(batch.lists[list]!, n);
}
