/** All threads of `-threads` together: a front in each, the one order and the whole history here. */
import { Issuer } from '../auth/issuer.ts';
import type { IssuerKey } from '../auth/jwks.ts';
import { BYTES_PER_MEGABYTE, type Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import type { DrainOptions } from '../front/drain.ts';
import { type Fronts, limitsOf } from '../front/front.ts';
import { tlsFiles } from '../front/tls-files.ts';
import { portToShare } from '../http/listener.ts';
import type { OnAttendance } from '../hub/attendance.ts';
import { Clockwork } from '../hub/clockwork.ts';
import type { DeeperLog } from '../hub/deeper-log.ts';
import { Hub } from '../hub/hub.ts';
import type { AnswerTo, Question } from '../hub/questions.ts';
import type { Epoch } from '../log/lineage.ts';
import type { Logger } from '../logger.ts';
import type { Owner, Refusal } from '../public/admission.ts';
import type { Guest } from '../public/guests.ts';
import { Tally } from '../tally.ts';
import { Dispatch } from './dispatch.ts';
import { GuestList, type Place } from './guest-list.ts';
import type { Call, ThreadData, ToThread } from './messages.ts';
import { RING_BYTES, SharedRing, type Space } from './shared-ring.ts';
import { Thread } from './thread.ts';

/** What a thread's tail may hold at most, in bytes. */
const MAX_TAIL_BYTES = 8_388_608;

/** All tails together have this share of `-memory` at most, the history the rest. */
const TAILS_SHARE = 1 / 8;

/** How long an entry stays in the tails, in seconds: for slow readers and short absences. */
const TAIL_SECONDS = 10;

export interface CrewOptions {
  readonly config: Config & { readonly keys: TokenKeys };
  readonly epoch: string;
  readonly logger: Logger;
  readonly connections: Tally;
  /** Where what the history has evicted may still be; undefined: nowhere. */
  readonly deeperLog?: DeeperLog | undefined;
  /** Makes the hub that keeps everything. */
  readonly takeHistory: (makeHub: (olderEpochs: readonly Epoch[]) => Hub) => Hub;
  /** Told of what each thread's hub tells. */
  readonly onAttendance: OnAttendance;
  /** A line for the log, with its line end. */
  readonly log: (line: string) => void;
  /** An error in a thread that nobody caught: the process is to end. */
  readonly failed: (error: Error) => void;
}

export class Crew implements Fronts {
  readonly history: Hub;
  readonly store: Dispatch;
  readonly #options: CrewOptions;
  readonly #clockwork: Clockwork;
  readonly #guests: GuestList;
  readonly #issuer: Issuer | undefined;
  readonly #tailBytes: number;
  readonly #ringMemory = new SharedArrayBuffer(RING_BYTES);
  readonly #ring = new SharedRing(this.#ringMemory);
  readonly #sent = new Tally();
  readonly #streams = new Tally();
  readonly #newest = new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));
  #olderEpochs: readonly Epoch[] = [];
  #threads: Thread[] = [];
  #url = '';
  #closing: Promise<void> | undefined;

  /** @throws TidingsError `CONFIG_INVALID` */
  constructor(options: CrewOptions) {
    const { config } = options;
    this.#options = options;
    tlsFiles(config);
    this.#guests = new GuestList({
      limits: limitsOf(config),
      replacesOldest: config['over-limit'] === 'replace',
    });
    this.#issuer = this.#issuerOf(config.keys);
    this.#tailBytes = tailBytesOf(config);
    this.history = options.takeHistory((olderEpochs) => this.#emptyHistory(olderEpochs));
    this.#clockwork = new Clockwork({
      hub: this.history,
      heartbeatSeconds: config.heartbeat,
      stallSeconds: config.stall,
    });
    this.store = new Dispatch({
      history: this.history,
      threads: config.threadCount,
      ring: this.#ring,
      send: (batch, through) => this.#send(batch, through),
    });
  }
  get url(): string {
    return this.#url;
  }

  get streamCount(): number {
    return this.#streams.value;
  }

  get hasKeys(): boolean | undefined {
    return this.#issuer?.hasKeys;
  }

  // What a thread has not got yet, it could not tell apart from what nobody has given out.
  get position(): number {
    return this.store.appendedThrough;
  }

  async listen(): Promise<void> {
    const { publicAddress } = this.#options.config;
    if (publicAddress.kind === 'unix') throw new Error('a path cannot be shared');
    const port = await portToShare(publicAddress, 'bind');
    this.given(this.history.head);
    this.#threads = Array.from({ length: this.#options.config.threadCount }, (_, thread) =>
      this.#startThread(thread),
    );
    this.store.open();
    const revocations = this.history.revocations.list();
    await this.ask({ ask: 'revoke', revocations });
    this.#issuer?.start();
    const urls = await this.#callAll<string>({ do: 'listen', port });
    this.#url = urls[0]!;
  }

  /** Numbers through this one are given out, here or on another machine: a client may come with any of them. */
  given(n: number): void {
    if (BigInt(n) > this.#newest[0]!) Atomics.store(this.#newest, 0, BigInt(n));
  }

  start(): void {
    this.#clockwork.start();
    this.#tell({ do: 'start' });
  }

  allow(origin: string): void {
    this.#tell({ do: 'allow', origin });
  }

  refuse(): void {
    this.#tell({ do: 'refuse' });
  }

  // Each at an even rate over the same window, and so all together.
  async drain({ windowMs, hasten }: DrainOptions): Promise<boolean> {
    const hurry = () => {
      for (const thread of this.#threads) thread.post({ kind: 'hasten' });
    };
    hasten?.addEventListener('abort', hurry);
    if (hasten?.aborted === true) hurry();
    const unsent = await this.#callAll<boolean>({ do: 'drain', windowMs });
    hasten?.removeEventListener('abort', hurry);
    return unsent.includes(true);
  }

  /** Asks all threads; the answers in their order. */
  ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>[]> {
    return this.#callAll({ do: 'ask', question });
  }

  close(): Promise<void> {
    this.#clockwork.stop();
    this.#issuer?.close();
    this.#closing ??= Promise.all(this.#threads.map((thread) => thread.close())).then(() => {});
    return this.#closing;
  }

  #callAll<T>(call: Call): Promise<T[]> {
    return Promise.all(this.#threads.map((thread) => thread.call<T>(call)));
  }

  #tell(call: Call): void {
    this.#callAll(call).catch(this.#options.failed);
  }

  #send(batch: Space, through: number): void {
    this.given(through);
    this.#sent.add(1);
    const { memory, at } = batch;
    const message: ToThread = this.#ring.isPart(batch)
      ? { kind: 'append', at }
      : { kind: 'append', at, own: memory.shared };
    for (const thread of this.#threads) thread.post(message);
  }

  #enter(thread: number, owner: Owner): Guest | Refusal | Promise<Guest | Refusal> {
    const { entry, evicted } = this.#guests.enter(thread, owner);
    return evicted.length === 0 ? entry : this.#replace(evicted, entry);
  }

  // Not before those who give way are gone: all streams together have a limit, too.
  async #replace(evicted: readonly Place[], entry: Guest | Refusal): Promise<Guest | Refusal> {
    const ends = evicted.map((place) =>
      this.#threads[place.thread]!.call({ do: 'evict', guest: place.guest }),
    );
    await Promise.all(ends);
    // Given to a newer one meanwhile: the thread did not know it yet, and could not end it.
    if (typeof entry === 'number' && !this.#guests.has(entry)) return 'streams-per-user';
    return entry;
  }

  #startThread(thread: number): Thread {
    const { config, epoch, log, failed } = this.#options;
    const { peers: _, ...plain } = config;
    // Without a history a tail is all that slow readers have.
    const most = config.history === 0 ? Number.POSITIVE_INFINITY : TAIL_SECONDS;
    const ttlSeconds = Math.min(most, config['history-ttl']);
    const data: ThreadData = {
      thread,
      threads: config.threadCount,
      config: plain,
      epoch,
      olderEpochs: this.#olderEpochs,
      head: this.history.head,
      tail: { ttlSeconds, budgetBytes: this.#tailBytes },
      shared: {
        newest: this.#newest.buffer as SharedArrayBuffer,
        streams: this.#streams.buffer,
        connections: this.#options.connections.buffer,
        ring: this.#ringMemory,
        sent: this.#sent.buffer,
      },
    };
    return new Thread(data, {
      appended: (number) => this.store.appended(number),
      read: (question) => this.history.read(question),
      enter: (number, owner) => this.#enter(number, owner),
      left: (guest) => this.#guests.left(guest),
      attended: this.#options.onAttendance,
      lookUp: async (kid) => (await this.#issuer?.lookUp(kid)) ?? 'unsure',
      log,
      failed,
    });
  }

  // One asks for all threads, and tells them before it answers any.
  #issuerOf(keys: TokenKeys): Issuer | undefined {
    if (keys.kind !== 'jwks') return undefined;
    const changed = (found: readonly IssuerKey[]) => {
      for (const thread of this.#threads) thread.post({ kind: 'keys', keys: found });
    };
    return new Issuer({ url: keys.url, logger: this.#options.logger, changed });
  }

  #emptyHistory(olderEpochs: readonly Epoch[]): Hub {
    const { config, epoch, deeperLog } = this.#options;
    this.#olderEpochs = olderEpochs;
    const tails = config.history === 0 ? 0 : this.#tailBytes * config.threadCount;
    return new Hub({
      retention: {
        capacity: config.history,
        ttlSeconds: config['history-ttl'],
        budgetBytes: config.memory * BYTES_PER_MEGABYTE - tails,
      },
      epoch,
      olderEpochs,
      deeperLog,
      notices: { isOn: config.notices, heartbeatSeconds: config.heartbeat },
    });
  }
}

// Without a history the tails are all there is, for readers that are slow.
function tailBytesOf({ history, memory, threadCount }: Config): number {
  const bytes = (memory * BYTES_PER_MEGABYTE) / threadCount;
  return history === 0 ? bytes : Math.min(MAX_TAIL_BYTES, bytes * TAILS_SHARE);
}
