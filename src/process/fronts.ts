/** What serves the streams of this process, by its configuration: one thread that keeps everything, or several. */
import type { Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import type { Connections } from '../front/connections.ts';
import type { Fronts } from '../front/front.ts';
import type { OnAttendance } from '../hub/attendance.ts';
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../logger.ts';
import type { Backplane } from '../nats/backplane.ts';
import type { Tally } from '../tally.ts';
import { Crew } from '../threads/crew.ts';
import type { Handover } from './handover.ts';
import { soleFront } from './sole-front.ts';

export interface FrontsParts {
  readonly config: Config & { readonly keys: TokenKeys };
  readonly logger: Logger;
  readonly log: { write(line: string): void };
  /** An error in another thread that nobody caught: the process is to end. */
  readonly failed: (error: Error) => void;
  readonly backplane: Backplane | undefined;
  readonly epoch: string;
  readonly handover: Handover;
  readonly connections: Connections;
  /** Open connections of all threads. */
  readonly tally: Tally;
  readonly onAttendance: OnAttendance;
}

export interface MadeFronts {
  readonly fronts: Fronts;
  /** What there is of the past: all of it, with one thread the streams as well. */
  readonly hub: Hub;
  /** The same where it has no streams; undefined with one thread. */
  readonly history: Hub | undefined;
}

/** @throws TidingsError `CONFIG_INVALID`, `ADDON_UNAVAILABLE` */
export const frontsOf = (parts: FrontsParts): MadeFronts =>
  parts.config.threadCount === 1 ? alone(parts) : several(parts);

function alone(parts: FrontsParts): MadeFronts {
  const { config, logger, connections, epoch, handover, backplane, onAttendance } = parts;
  const front = soleFront({
    ...{ config, logger, connections, epoch, handover, onAttendance },
    deeperLog: backplane?.log,
    // What another node has given out may not have come here yet.
    newest: () => Math.max(front.hub.head, backplane?.newest ?? 0),
  });
  return { fronts: front, hub: front.hub, history: undefined };
}

function several(parts: FrontsParts): MadeFronts {
  const { config, logger, failed, tally, epoch, backplane, log, handover, onAttendance } = parts;
  const crew = new Crew({
    ...{ config, logger, failed, connections: tally, epoch, onAttendance },
    deeperLog: backplane?.log,
    log: (line) => log.write(line),
    takeHistory: (makeHub) => handover.take(makeHub),
  });
  backplane?.onNewest((n) => crew.given(n));
  return { fronts: crew, hub: crew.history, history: crew.history };
}
