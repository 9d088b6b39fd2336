/**
 * Hands entries to all threads: one message to each per turn of the event loop, with all that came in
 * that turn. An event is answered for when every thread has appended it, which is also what keeps
 * threads from falling behind.
 */
import { threadsBehind } from '../errors.ts';
import type { Hub } from '../hub/hub.ts';
import type { Addressed, EntrySize, NewEntry } from '../log/entry.ts';
import type { Replica } from '../publish/replica.ts';
import { commonNow, encodeBatch, ReceivedBatch } from './batch.ts';
import type { SharedRing, Space } from './shared-ring.ts';

/** Frames that a thread may have before it without having appended them, in bytes. Past it emits are refused. */
export const MAX_BEHIND_BYTES = 33_554_432;

/** How long a thread may take to append, in milliseconds. Past it emits are refused. */
export const MAX_BEHIND_MS = 5_000;

const NO_BYTES = Buffer.alloc(0);

/** Tells how many streams something is for. */
type Told = (streams: number) => void;

interface Sent {
  readonly space: Space;
  readonly through: number;
  readonly sentAt: number;
  /** By the place of the entry in the batch. */
  readonly told: ReadonlyMap<number, Told>;
  /** Threads that have not appended it. */
  missing: number;
}

export interface DispatchOptions {
  /** Keeps everything. */
  readonly history: Hub;
  readonly threads: number;
  /** Where batches are while they are under way. */
  readonly ring: SharedRing;
  /** Sends a batch to every thread. */
  readonly send: (batch: Space, through: number) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Dispatch implements Replica {
  readonly #options: DispatchOptions;
  readonly #now: () => number;
  #isOpen = false;
  /** Of this turn. */
  #entries: NewEntry[] = [];
  #entryBytes = 0;
  /** When the first of them came. */
  #since = 0;
  #lost: number | undefined;
  #told = new Map<number, Told>();
  /** Sent, oldest first. */
  readonly #sent: Sent[] = [];
  #sentBytes = 0;
  /** By thread: how many of all batches it has appended. */
  readonly #appended: number[];
  #doneCount = 0;
  #appendedThrough: number;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#appended = new Array<number>(options.threads).fill(0);
    this.#appendedThrough = options.history.head;
  }

  get head(): number {
    return this.#options.history.head;
  }

  /** All threads have everything through this number. */
  get appendedThrough(): number {
    return this.#appendedThrough;
  }

  /** @throws TidingsError `THREADS_BEHIND`, and as the history does */
  admit(size: EntrySize): void {
    const oldest = this.#sent[0];
    if (oldest !== undefined && this.#isTooMuch(oldest)) throw threadsBehind();
    this.#options.history.admit(size);
  }

  get isBehind(): boolean {
    return this.#sentBytes + this.#entryBytes > MAX_BEHIND_BYTES;
  }

  /** Takes over the place in the order; before `open`. */
  startBehind(head: number): void {
    this.#options.history.startBehind(head);
  }

  /** The threads are there, and have what the history has: from now on they get what comes. */
  open(): void {
    this.#isOpen = true;
    this.#appendedThrough = this.head;
  }

  append(entries: readonly NewEntry[]): void {
    this.#options.history.append(entries);
    if (this.#isOpen) this.#add(entries);
  }

  /** In order: what of this turn came before goes before. */
  lost(through: number): void {
    if (this.#entries.length > 0) this.#send();
    this.#options.history.lost(through);
    if (!this.#isOpen) return;
    this.#schedule();
    this.#lost = through;
  }

  /** Resolves when every thread has appended what was appended before, and has counted. */
  audience(address: Addressed): number | Promise<number> {
    if (!this.#isOpen) return 0;
    if (this.#entries.at(-1) !== address) this.#add([{ ...address, n: 0, bytes: NO_BYTES }]);
    return new Promise((resolve) => this.#told.set(this.#entries.length - 1, resolve));
  }

  /** A thread has appended the oldest batch that it had not yet. */
  appended(thread: number): void {
    const batch = this.#sent[this.#appended[thread]! - this.#doneCount]!;
    this.#appended[thread]! += 1;
    batch.missing -= 1;
    while (this.#sent[0]?.missing === 0) this.#done(this.#sent.shift()!);
  }

  #isTooMuch({ sentAt }: Sent): boolean {
    return this.#sentBytes > MAX_BEHIND_BYTES || this.#now() - sentAt > MAX_BEHIND_MS;
  }

  #add(entries: readonly NewEntry[]): void {
    this.#schedule();
    this.#entries.push(...entries);
    for (const { bytes } of entries) this.#entryBytes += bytes.length;
  }

  #schedule(): void {
    if (this.#entries.length > 0 || this.#lost !== undefined) return;
    this.#since = commonNow();
    setImmediate(this.#send);
  }

  readonly #send = (): void => {
    const { threads, ring, send } = this.#options;
    const [since, lost, entries, told] = [this.#since, this.#lost, this.#entries, this.#told];
    if (entries.length === 0 && lost === undefined) return; // sent early in this turn
    const space = encodeBatch({ since, lost, entries }, threads, (bytes) => ring.take(bytes));
    const through = this.head;
    this.#entries = [];
    this.#entryBytes = 0;
    this.#lost = undefined;
    this.#told = new Map();
    this.#sentBytes += space.byteLength;
    this.#sent.push({ space, through, sentAt: this.#now(), told, missing: threads });
    send(space, through);
  };

  #done({ space, through, told }: Sent): void {
    const { threads, ring } = this.#options;
    this.#doneCount += 1;
    this.#sentBytes -= space.byteLength;
    this.#appendedThrough = through;
    const batch = told.size === 0 ? undefined : new ReceivedBatch(space, threads);
    for (const [place, tell] of told) tell(batch!.told(place));
    ring.give(space);
  }
}
