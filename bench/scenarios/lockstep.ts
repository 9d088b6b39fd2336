/** What a delivery costs: the next event when the last has arrived everywhere, servers taking short turns. */

import type { Cleanup } from '../support/cleanup.ts';
import type { LoadOptions } from '../support/load.ts';
import { type Counted, type Load, startLoad } from '../support/load.ts';
import type { RunningPeer } from '../support/peer.ts';

/**
 * A reader that sleeps until a stream is readable is woken by the server's `send`, at the server's expense, and how
 * often it sleeps depends on how fast the server is. A reader that looks by the clock is never woken.
 */
const POLL_US = 200;
const DEADLINE_SECONDS = 5;

export interface Entrant {
  /** Of the rows that its figures become. */
  readonly subject: string;
  readonly load: Load;
  readonly counted: Counted[];
}

/** How much one turn is: so many events, or so many seconds. */
export interface Pace {
  readonly count: number;
  readonly seconds: number;
}

const publish = (load: Load, pace: Pace): Promise<Counted> =>
  load.run({ mode: 'lockstep', ...pace, deadline: DEADLINE_SECONDS });

export interface Entry {
  readonly subject: string;
  readonly running: RunningPeer;
  readonly options: LoadOptions;
  readonly warmUp: Pace;
}

/** Opens the streams of a server, and warms both up. */
export async function enter(owner: Cleanup, entry: Entry): Promise<Entrant> {
  const { subject, running, options, warmUp } = entry;
  const load = await startLoad(owner, running, { ...options, pollUs: POLL_US });
  await publish(load, warmUp);
  return { subject, load, counted: [] };
}

/** What disturbs the machine disturbs all of them. */
export async function takeTurns(
  entrants: readonly Entrant[],
  turns: number,
  pace: Pace,
): Promise<void> {
  for (let turn = 0; turn < turns; turn++)
    for (const { load, counted } of entrants) counted.push(await publish(load, pace));
}

const sum = (counted: readonly Counted[], of: (one: Counted) => number): number =>
  counted.reduce((total, one) => total + of(one), 0);

export interface Cost {
  /** Of the server, µs per delivery. */
  readonly cpuUs: number;
  /** Of it in user space. */
  readonly userUs: number;
  readonly perSecond: number;
  readonly bytes: number;
  /** Of the load generator, share of a core. */
  readonly loadShare: number;
}

/** Per delivery, over all turns. */
export function costOf({ counted }: Entrant): Cost {
  const deliveries = sum(counted, (one) => one.deliveries);
  const seconds = sum(counted, (one) => one.seconds);
  return {
    cpuUs: sum(counted, (one) => one.serverCpuUs) / deliveries,
    userUs: sum(counted, (one) => one.serverCpuUs * one.serverUserShare) / deliveries,
    perSecond: deliveries / seconds,
    bytes: sum(counted, (one) => one.bytes) / deliveries,
    loadShare: sum(counted, (one) => one.loadCpuShare * one.seconds) / seconds,
  };
}
