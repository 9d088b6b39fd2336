/**
 * What is measured, as plain data: what one hub knows, and what many know together. There is no name of a
 * user, a channel or an event in it, so it is as large with a million of them as with one.
 */
import type { Times } from './histogram.ts';
import type { Hub } from './hub.ts';

/** By the value of the one label, or by `''` where there is none. */
export type Values = Readonly<Record<string, number>>;

export interface Measures {
  /** Counters, and numbers that go up and down; those of several hubs add up. */
  readonly values: Readonly<Record<string, Values>>;
  readonly times: Readonly<Record<string, Times>>;
}

export const single = (value: number): Values => ({ '': value });

/** What a hub has seen and has now. Looks at counters only, however many streams there are. */
export function measuresOf(hub: Hub): Measures {
  const { instruments } = hub;
  const beside = instruments.beside();
  // What a tail keeps is a part of what lies deeper: counted there, but for the memory it takes.
  const kept = hub.isTail ? {} : logValues(hub);
  return {
    values: { ...streamValues(hub), ...memoryValues(hub), ...kept, ...beside.values },
    times: {
      emit: instruments.lots.times.times,
      flush: instruments.turns.times,
      catchUp: instruments.catchUps.times.times,
      loopDelay: instruments.lateness.times,
      ...beside.times,
    },
  };
}

function streamValues({ streams, flow, instruments }: Hub): Measures['values'] {
  const { closed, gaps, returns, catchUps } = instruments;
  return {
    streams: single(streams.size),
    blocked: single(flow.blockedStreams.size),
    catchingUp: single(catchUps.size),
    opened: single(streams.size + closed.total),
    closed: closed.record,
    gaps: gaps.record,
    returns: returns.record,
    deliveries: single(instruments.deliveries),
    deliveredBytes: single(instruments.deliveredBytes),
  };
}

const logValues = ({ aging, retention }: Hub): Measures['values'] => ({
  channels: single(aging.size),
  entries: single(retention.entryCount),
  evictions: { ...retention.evicted },
});

function memoryValues({ retention, pendingBytes }: Hub): Measures['values'] {
  return {
    memoryUsed: single(retention.bytes),
    memoryBudget: single(retention.budgetBytes),
    pending: single(pendingBytes),
  };
}

/** What several have measured, as if one had. */
export function mergeMeasures(parts: readonly Measures[]): Measures {
  return {
    values: mergeBy(
      parts.map(({ values }) => values),
      addValues,
    ),
    times: mergeBy(
      parts.map(({ times }) => times),
      addTimes,
    ),
  };
}

function mergeBy<T>(
  parts: readonly Readonly<Record<string, T>>[],
  add: (a: T, b: T) => T,
): Record<string, T> {
  const merged: Record<string, T> = {};
  for (const part of parts)
    for (const [name, value] of Object.entries(part)) {
      const before = merged[name];
      merged[name] = before === undefined ? value : add(before, value);
    }
  return merged;
}

const addValues = (a: Values, b: Values): Values => mergeBy([a, b], (x, y) => x + y);

const addTimes = (a: Times, b: Times): Times => ({
  counts: a.counts.map((count, bucket) => count + b.counts[bucket]!),
  sum: a.sum + b.sum,
  exemplars: mergeBy([a.exemplars, b.exemplars], (x, y) => (x.at > y.at ? x : y)),
});
