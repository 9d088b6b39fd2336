/** From one process to the next: takes the snapshot when a server starts, leaves one when it stops. */
import { accessSync, constants, existsSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TidingsError } from '../errors.ts';
import type { Hub } from '../hub/hub.ts';
import type { Epoch } from '../log/lineage.ts';
import type { Logger } from '../logger.ts';
import type { KeyMemory } from '../publish/key-memory.ts';
import { lastEpochPath, readLastEpoch, writeLastEpoch } from './last-epoch.ts';
import { removeSnapshot, setAside, writeSnapshot } from './snapshot-file.ts';
import { UnusableSnapshot } from './snapshot-format.ts';
import { readSnapshot } from './snapshot-reader.ts';

/** What emits that were taken get until all threads have them, in milliseconds. */
const SETTLE_MS = 1_000;

const UNREADABLE =
  'snapshot cannot be read and is left as it is: starting with an empty log; let this user read it and start again, or remove it';

const UNUSABLE =
  'snapshot not usable and renamed: starting with an empty log; go back to the version that wrote it, or remove what was renamed';

const UNMOVABLE =
  'snapshot not usable, and it cannot be renamed: starting with an empty log; move it away, no other will be written over it';

const NO_LAST_EPOCH =
  'the epoch of this process is not written beside the snapshot: the next start may not take it; see that its folder is writable and not full';

const NOT_WRITTEN =
  'snapshot not written: streams that return will be told of a gap; see that its folder is there, writable and not full';

/** Makes a hub that accepts ids of older epochs too, each up to its head. */
export type MakeHub = (olderEpochs: readonly Epoch[]) => Hub;

export class Handover {
  readonly #path: string;
  readonly #logger: Logger;
  /** There is a file that could not be read: it may be neither removed nor replaced. */
  #isUnread = false;

  readonly #keys: KeyMemory;
  /** Of what was taken, oldest first. */
  olderEpochs: readonly Epoch[] = [];
  /** Webhooks of the process before that were not taken. */
  missedWebhooks = 0;

  /** Without a path nothing is taken and nothing left. `keys`: of emits, which are taken and left, too. */
  constructor(path: string, logger: Logger, keys: KeyMemory) {
    this.#path = path;
    this.#logger = logger;
    this.#keys = keys;
  }

  /** Whether the next process is to go on where this one stops. */
  get isWanted(): boolean {
    return this.#path !== '';
  }

  /**
   * A hub that knows what the snapshot holds, or, when there is none that is whole, nothing.
   * @throws TidingsError `CONFIG_INVALID` when the path is no place for a file
   */
  take(makeHub: MakeHub): Hub {
    if (!this.isWanted) return makeHub([]);
    checkPlace(this.#path);
    try {
      return this.#restored(makeHub) ?? makeHub([]);
    } catch (error) {
      this.#refuse(error);
      this.#keys.clear();
      this.olderEpochs = [];
      this.missedWebhooks = 0;
      return makeHub([]); // a new one: the other may know a part
    }
  }

  #restored(makeHub: MakeHub): Hub | undefined {
    let hub: Hub | undefined;
    const last = readLastEpoch(this.#path);
    readSnapshot(this.#path, (dump) => {
      if (last !== undefined && last !== dump.epochs.at(-1)?.epoch)
        throw new UnusableSnapshot(
          `another process has been here since it was written: to have it taken all the same, remove ${lastEpochPath(this.#path)} first`,
        );
      hub = makeHub(dump.epochs);
      hub.restore(dump);
      for (const revocation of dump.revocations) hub.revocations.add(revocation);
      this.olderEpochs = dump.epochs;
      this.missedWebhooks = dump.missedWebhooks ?? 0;
      if (dump.keys !== undefined) this.#keys.restore(dump.keys);
    });
    return hub;
  }

  #refuse(error: unknown): void {
    const file = this.#path;
    if (isSystemError(error)) {
      this.#isUnread = true;
      this.#logger.warn({ err: error, file }, UNREADABLE);
      return;
    }
    try {
      this.#logger.warn({ err: error, file, aside: setAside(file) }, UNUSABLE);
    } catch (cause) {
      this.#isUnread = true;
      this.#logger.warn({ err: error, file, cause: messageOf(cause) }, UNMOVABLE);
    }
  }

  /**
   * To be called once what was taken is in use, with the epoch that goes on: nobody may take it again.
   * @throws TidingsError `CONFIG_INVALID` when the file cannot be removed
   */
  taken(epoch: string): void {
    if (!this.isWanted) return;
    try {
      writeLastEpoch(this.#path, epoch);
    } catch (error) {
      this.#logger.warn({ err: error, file: lastEpochPath(this.#path) }, NO_LAST_EPOCH);
    }
    if (this.#isUnread) return;
    try {
      removeSnapshot(this.#path);
    } catch (cause) {
      throw invalidPlace(
        this.#path,
        `cannot be removed after it was read (${messageOf(cause)}): let this user change its folder`,
      );
    }
  }

  /** Leaves what the hub knows. A failure is logged; the streams that return are told of a gap then. */
  leave(hub: Hub, missedWebhooks: number): void {
    if (!this.isWanted) return;
    try {
      if (this.#isUnread && existsSync(this.#path)) setAside(this.#path);
      const entries = writeSnapshot(this.#path, {
        ...hub.dump(),
        revocations: hub.revocations.list(),
        keys: this.#keys.dump(),
        missedWebhooks,
      });
      this.#logger.info({ entries }, 'snapshot written');
    } catch (error) {
      this.#logger.error({ err: error, file: this.#path }, NOT_WRITTEN);
    }
  }
}

// Before anything is opened: a pipe would wait for its other end, a device would be renamed.
function checkPlace(path: string): void {
  let stat: Stats | undefined;
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
    stat = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw invalidPlace(
      path,
      `its folder is missing or not writable for this user (${messageOf(cause)}): create it, or name a file elsewhere`,
    );
  }
  if (stat === undefined || stat.isFile()) return;
  throw invalidPlace(path, `is ${stat.isDirectory() ? 'a folder' : 'no file'}: name a file`);
}

const invalidPlace = (path: string, why: string): TidingsError =>
  new TidingsError('CONFIG_INVALID', `-snapshot ${path}: ${why}`);

/** What the operating system says, as opposed to what is in the file. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown');

/** Waits until it is so, but not for long. */
export async function settled(isSettled: () => boolean): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  while (!isSettled() && performance.now() < end) await delay(1);
}
