/** Counts the connections of all listeners, and closes as they come those that there is no room for. */

import type { ConnectionFilter } from '../http/uws.ts';
import { Counts } from '../hub/counts.ts';
import type { Logger } from '../logger.ts';
import { Tally } from '../tally.ts';
import type { OpenFiles } from './open-files.ts';

/** Files that no connection gets: listeners, logs, the event loop's own. */
const OWN_FILES = 32;

/** Files that only connections to the control port get. */
const CONTROL_FILES = 32;

/** While connections are refused, the log has a line this often. */
const REFUSED_LOG_MS = 10_000;

/**
 * Connections without a request are counted, too: with no file left the addon would try to accept them
 * for ever, and nobody could reach the control port.
 */
export class Connections {
  readonly #files: OpenFiles;
  readonly #logger: Logger;
  readonly #tally: Tally;
  /** Those closed as they came, by listener. */
  readonly refused = new Counts<'public' | 'control'>(['public', 'control']);
  /** Of this thread. */
  #count = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `tally`: of all threads, since the limit on open files is the process's. */
  constructor(files: OpenFiles, logger: Logger, tally = new Tally()) {
    this.#tally = tally;
    this.#files = files;
    this.#logger = logger;
  }

  /** Open now, in all threads. */
  get count(): number {
    return this.#tally.value;
  }

  /** The limit on open files. Infinity where it cannot be read. */
  get files(): number {
    return this.#files.limit;
  }

  /** How many may be open before those of the public listener are refused. */
  get publicRoom(): number {
    return Math.max(0, this.#files.limit - OWN_FILES - CONTROL_FILES);
  }

  /** True while only the control port is served: a connection there is to end behind its answer. */
  readonly isTight = (): boolean => this.#tally.value > this.publicRoom;

  /** To be given to the app of a listener. */
  filter(listener: 'public' | 'control'): ConnectionFilter {
    const more = listener === 'control' ? CONTROL_FILES : 0;
    return (res, change) => {
      this.#count += change;
      this.#tally.add(change);
      if (this.#count === 0) this.#files.rest();
      else this.#files.watch();
      if (change === 1 && (this.#tally.value > this.publicRoom + more || this.#files.isOut)) {
        res.close();
        this.#tell(listener);
      }
    };
  }

  #tell(listener: 'public' | 'control'): void {
    this.refused.add(listener);
    const now = performance.now();
    if (now - this.#toldAt < REFUSED_LOG_MS) return;
    this.#toldAt = now;
    this.#logger.warn(
      { listener, refused: this.refused.total, open: this.#tally.value },
      'connections refused: raise the limit on open files',
    );
  }
}
