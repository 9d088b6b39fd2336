/**
 * One prefix takes over what the channels below it retain, and have evicted, as if its log had always had it: in
 * steps, of which each is short however many channels there are. What changes below it meanwhile, and concerns
 * what it still lacks, `Prefixes` tells it.
 */
import type { Entry } from '../log/entry.ts';
import type { Eviction, Evictions } from '../log/evictions.ts';
import { stemOf } from '../log/prefix.ts';
import type { Retention } from '../log/retention.ts';
import type { Channel } from './channel.ts';
import type { Stream } from './stream.ts';

export interface Below {
  /** The channels below a stem; undefined now and then, while they are found. */
  readonly channels: (stem: string) => Iterable<Channel<Stream> | undefined>;
  readonly evictions: Evictions;
  readonly retention: Retention<Channel<Stream>>;
}

/** Entries, facts or channels that one step takes a look at. */
export const STEP_ITEMS = 64;

/** Bytes of entries that are taken out of one log at a time; of 64 bytes each they are as many as a step has. */
const STEP_BYTES = 4_096;

/** Yields after each step. */
export function* filling(prefix: Channel<Stream>, below: Below): Generator<void> {
  yield* takeFacts(prefix, below);
  const found = yield* find(prefix, below);
  yield* takeIn(prefix, yield* sorted(found), below);
}

// What was evicted later than it came to be it has had itself, or it was told what was known before.
function* takeFacts(prefix: Channel<Stream>, { evictions }: Below): Generator<void> {
  let seen = 0;
  for (const fact of evictions.below(stemOf(prefix.name))) {
    if (fact !== undefined && fact[2] <= prefix.unfilledThrough) takeFact(prefix, fact, evictions);
    seen += 1;
    if (seen % STEP_ITEMS === 0) yield;
  }
}

function takeFact({ name, log }: Channel<Stream>, [, user, n]: Eviction, to: Evictions): void {
  if (user === null) log.assumeEvictedThrough(n);
  else to.addFor(name, user, n);
}

function* find(prefix: Channel<Stream>, { channels }: Below): Generator<void, Entry[]> {
  const found: Entry[] = [];
  let seen = 0;
  for (const channel of channels(stemOf(prefix.name))) {
    if (channel !== undefined) yield* findIn(channel, prefix, found);
    seen += 1;
    if (seen % STEP_ITEMS === 0) yield;
  }
  return found;
}

function* findIn({ log }: Channel<Stream>, prefix: Channel<Stream>, found: Entry[]) {
  const through = prefix.unfilledThrough;
  const evicted = log.evictedForEveryone;
  if (evicted <= through) prefix.log.assumeEvictedThrough(evicted);
  for (let last: Entry | undefined; ; yield) {
    const part = log.after(last?.n ?? prefix.log.evictedForEveryone, STEP_BYTES);
    for (const entry of part) if (entry.n <= through) found.push(entry);
    last = part.at(-1);
    if (last === undefined || last === log.newest || last.n >= through) return;
  }
}

/** By their numbers. */
function* sorted(entries: readonly Entry[]): Generator<void, readonly Entry[]> {
  let runs: (readonly Entry[])[] = [];
  for (let at = 0; at < entries.length; at += STEP_ITEMS) {
    runs.push(entries.slice(at, at + STEP_ITEMS).sort((a, b) => a.n - b.n));
    yield;
  }
  while (runs.length > 1) {
    const merged: (readonly Entry[])[] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(yield* merge(runs[i]!, runs[i + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge(a: readonly Entry[], b: readonly Entry[]): Generator<void, readonly Entry[]> {
  if (b.length === 0) return a;
  const merged: Entry[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const isA = j === b.length || (i < a.length && a[i]!.n <= b[j]!.n);
    merged.push(isA ? a[i++]! : b[j++]!);
    if (merged.length % STEP_ITEMS === 0) yield;
  }
  return merged;
}

// Newest first: what is over the capacity is known then. One that was emitted to several channels stands here as often.
function* takeIn(
  prefix: Channel<Stream>,
  entries: readonly Entry[],
  { retention }: Below,
): Generator<void> {
  let batch: Entry[] = [];
  for (let i = entries.length - 1; i >= 0; i -= 1) {
    const entry = entries[i]!;
    if (entry.n <= prefix.log.evictedForEveryone) break;
    // In no log any more: evicted since it was found, which the prefix was told.
    if (entry.logs > 0 && entry !== entries[i + 1]) batch.push(entry);
    if (i % STEP_ITEMS !== 0) continue;
    retention.prepend(prefix, batch);
    batch = [];
    yield;
  }
  retention.prepend(prefix, batch);
}
