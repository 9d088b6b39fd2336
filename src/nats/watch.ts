/**
 * Looks after the backplane: whether it answers, whether this node is behind, and whether the stream is
 * still the one that it was.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type EpochKeeper, epochOf } from './epoch-record.ts';
import type { Follower } from './follower.ts';
import { isNotFound, type StreamState } from './streams.ts';
import type { Verdict, Witness } from './witness.ts';

/** Time between two looks, in milliseconds. */
const LOOK_MS = 1_000;

/** Without an answer for so long the backplane counts as away, in milliseconds. */
const AWAY_MS = 5_000;

/** A follower that has not moved for so many looks while there was more to read is started anew. */
const STUCK_LOOKS = 4;

/** A stream that is not there for so many looks was deleted. */
const GONE_LOOKS = 3;

/** How often it is tried to write that the stream has gone back, and the wait between, in milliseconds. */
const TELL_TRIES = 10;
const TELL_MS = 100;

/** The record of the epoch is written every so many looks. */
const RECORD_LOOKS = 30;

/** Numbers that a stream gives out in a second, at most: more than any NATS server stores. */
const MOST_PER_SECOND = 100_000;

export interface WatchOptions {
  /** There is a connection now: a question without one would be lost, and keep the next ones back until its time is over. */
  readonly isUp: () => boolean;
  readonly keeper: EpochKeeper;
  readonly facts: () => Promise<StreamState>;
  readonly epoch: string;
  readonly follower: Follower;
  readonly atStart: StreamState;
  /** Whether other nodes follow the stream: at the start, and now. */
  readonly hadOthers: boolean;
  readonly hasOthers: () => Promise<boolean>;
  /** Whether the stream still has what this node has got. */
  readonly verdict: (witness: Witness) => Promise<Verdict>;
  readonly failed: (error: Error) => void;
}

export class Watch {
  readonly #options: WatchOptions;
  /** Newest number of the stream, as it was last told. */
  last: number;
  /** Of its oldest event, as it was last told. */
  first: number;
  /** Told about once a second, answered or not. */
  onLook: () => void = () => {};
  #answeredAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #looks = 0;
  #stuck = 0;
  #seen = 0;
  #wasBack = false;
  #gone = 0;
  /** Since the start there has been another node. */
  #hasOthers: boolean;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.last = options.atStart.last;
    this.first = options.atStart.first;
    this.#hasOthers = options.hadOthers;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.onLook();
      void this.#look();
    }, LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get isUp(): boolean {
    return performance.now() - this.#answeredAt < AWAY_MS;
  }

  /**
   * The stream has gone back: other nodes are to know it, and this one ends. `seen`: a number that it had
   * had, where it may be that a leader of a moment ago has answered.
   */
  async wentBack(seen = Number.POSITIVE_INFINITY): Promise<void> {
    const { keeper, facts, epoch, failed } = this.#options;
    this.stop();
    for (let i = 0; i < TELL_TRIES; i += 1) {
      const told = await keeper.update(facts, { epoch, seen }).catch(() => undefined);
      if (told !== undefined) break;
      await delay(TELL_MS);
    }
    failed(streamIsAnother());
  }

  /** What the stream may have reached meanwhile, if there are other nodes that may have given it to their clients. */
  get reachable(): number {
    if (!this.#hasOthers) return this.last;
    // An answer is as old as it took to come.
    const age = performance.now() - this.#answeredAt + LOOK_MS;
    return this.last + Math.ceil((age * MOST_PER_SECOND) / 1_000);
  }

  async #look(): Promise<void> {
    if (this.#isLooking || !this.#options.isUp()) return;
    this.#isLooking = true;
    try {
      // Before the question: events come while it is on its way.
      const { through, witness } = this.#options.follower;
      await this.#check(await this.#options.facts(), through);
      this.#hasOthers ||= await this.#options.hasOthers();
      const verdict = witness && (await this.#options.verdict(witness));
      if (verdict === 'other') await this.wentBack();
      this.#answeredAt = performance.now();
      this.#gone = 0;
    } catch (error) {
      // Away, or between two leaders: the next look says. Deleted: only a start makes it anew.
      this.#gone = isNotFound(error) ? this.#gone + 1 : 0;
      if (this.#gone === GONE_LOOKS) this.#options.failed(streamIsAnother());
    } finally {
      this.#isLooking = false;
    }
  }

  async #check(facts: StreamState, through: number): Promise<void> {
    const { keeper, epoch, atStart, failed } = this.#options;
    const isBack = facts.created !== atStart.created || facts.last < through;
    // Twice, since a leader of a moment ago may still answer.
    if (isBack && this.#wasBack) return this.wentBack(through);
    this.#wasBack = isBack;
    if (isBack) return;
    this.last = facts.last;
    this.first = facts.first;
    this.#restartIfStuck(facts);
    this.#looks += 1;
    if (this.#looks % RECORD_LOOKS !== 0) return;
    const record = await keeper.update(this.#options.facts);
    if (epochOf(record) !== epoch) failed(streamIsAnother());
  }

  #restartIfStuck({ last }: StreamState): void {
    const { follower } = this.#options;
    const isStuck =
      follower.through < last && follower.through === this.#seen && !follower.isWaiting;
    this.#seen = follower.through;
    this.#stuck = isStuck ? this.#stuck + 1 : 0;
    if (this.#stuck < STUCK_LOOKS) return;
    this.#stuck = 0;
    follower.restart();
  }
}

const streamIsAnother = (): Error =>
  new Error(
    'the stream in NATS was made anew or has gone back: this node ends, so that its next start begins with what there is now',
  );
