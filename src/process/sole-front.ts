/** The front of a server with one thread: its hub keeps everything, and takes the snapshot over. */
import { BYTES_PER_MEGABYTE } from '../config/config.ts';
import { Front, type FrontOptions } from '../front/front.ts';
import type { OnAttendance } from '../hub/attendance.ts';
import type { DeeperLog } from '../hub/deeper-log.ts';
import { Hub } from '../hub/hub.ts';
import type { Handover } from './handover.ts';

export interface SoleFrontOptions extends Pick<FrontOptions, 'config' | 'logger' | 'connections'> {
  readonly epoch: string;
  readonly handover: Handover;
  readonly deeperLog: DeeperLog | undefined;
  /** As the hub takes it. */
  readonly newest: () => number;
  readonly onAttendance: OnAttendance;
}

/** @throws TidingsError `CONFIG_INVALID`, `ADDON_UNAVAILABLE` */
export function soleFront({
  epoch,
  handover,
  deeperLog,
  newest,
  onAttendance,
  ...parts
}: SoleFrontOptions): Front {
  const { config } = parts;
  const retention = {
    capacity: config.history,
    ttlSeconds: config['history-ttl'],
    budgetBytes: config.memory * BYTES_PER_MEGABYTE,
  };
  const notices = { isOn: config.notices, heartbeatSeconds: config.heartbeat };
  return new Front({
    ...parts,
    sharesPort: false,
    makeHub: (onClosed) =>
      handover.take(
        (olderEpochs) =>
          new Hub({
            ...{ retention, epoch, olderEpochs, deeperLog, notices, newest },
            ...{ onClosed, onAttendance },
          }),
      ),
  });
}
