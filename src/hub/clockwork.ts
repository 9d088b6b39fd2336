/**
 * What happens because time passes: heartbeats, expiring tokens, stalled streams, old entries. Each
 * stream has one place in a timetable, at the first moment that something may be due on it; a write
 * moves nothing there, the visit that comes too early because of it puts the stream in again.
 */

import { TICK_MS, TICKS_PER_SECOND, tickAfter } from '../log/timetable.ts';
import type { Hub } from './hub.ts';
import { Slices } from './slices.ts';
import { type Stream, StreamState } from './stream.ts';

/** Before a token expires its stream is told, this many seconds ahead. */
export const EXPIRY_NOTICE_SECONDS = 30;

/**
 * A heartbeat goes out after between these shares of the longest silence allowed, less a tick: the
 * rest is for an event loop that is busy, and between them those that were written to together part.
 */
const BEAT_SHARES = [0.8, 0.9] as const;

/** The addon's timer of 8 to 12 seconds after a refused write is set anew this often. */
const KEEP_WAITING_SECONDS = 4;

/** A stream that could not be told that its token expires is tried again after this. */
const RETRY_NOTICE_TICKS = TICKS_PER_SECOND;

export interface ClockworkOptions {
  readonly hub: Hub;
  /** Longest silence on a stream that is not blocked. */
  readonly heartbeatSeconds: number;
  readonly stallSeconds: number;
}

export class Clockwork {
  readonly #hub: Hub;
  readonly #stallSeconds: number;
  /** Ticks from a write to the next heartbeat: the fewest, and how many more there may be. */
  readonly #beatTicks: number;
  readonly #beatSpread: number;
  readonly #work = new Slices(() => this.#visitNext());
  #isStarted = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer should run, in milliseconds. */
  #timerAt = 0;

  constructor({ hub, heartbeatSeconds, stallSeconds }: ClockworkOptions) {
    this.#hub = hub;
    this.#stallSeconds = stallSeconds;
    const [fewest, most] = BEAT_SHARES.map((share) =>
      Math.floor(heartbeatSeconds * TICKS_PER_SECOND * share - 1),
    ) as [number, number];
    this.#beatTicks = fewest;
    this.#beatSpread = most - fewest + 1;
  }

  /** From now on a timer runs while there are streams or entries, and none while there are not. */
  start(): void {
    this.#isStarted = true;
    this.#hub.flow.due.onFilled = this.#arm;
    this.#hub.aging.onFilled = this.#arm;
    this.#arm();
  }

  stop(): void {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Does what is due by now. */
  step(): void {
    this.#hub.flow.readClock();
    this.#work.run();
  }

  readonly #arm = (): void => {
    if (!this.#isStarted || this.#timer !== undefined) return;
    if (this.#hub.flow.due.size + this.#hub.aging.size === 0) return;
    this.#timerAt = performance.now() + TICK_MS;
    this.#timer = setTimeout(this.#onTimer, TICK_MS).unref();
  };

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    const late = Math.max(0, performance.now() - this.#timerAt);
    this.#hub.instruments.lateness.add(late / 1_000);
    this.step();
    this.#arm();
  };

  #visitNext(): boolean {
    const { due, tick } = this.#hub.flow;
    const { aging } = this.#hub;
    const stream = due.take(tick);
    if (stream !== undefined) {
      this.#visit(stream);
      return true;
    }
    const channel = aging.take(tick);
    if (channel !== undefined) this.#hub.expire(channel);
    return channel !== undefined;
  }

  #visit(stream: Stream): void {
    const now = this.#hub.now();
    if (stream.expiresAt <= now) return this.#hub.end(stream, 'expired');
    if (this.#stallsAt(stream) <= now) return stream.close('stalled');
    if (this.#waitedFor(stream, now) >= KEEP_WAITING_SECONDS) stream.keepWaiting();
    const left = stream.expiresAt - now;
    if (left <= EXPIRY_NOTICE_SECONDS && !stream.isExpiryAnnounced)
      stream.isExpiryAnnounced = this.#hub.announceExpiry(stream, left);
    if (this.#beatTick(stream) <= this.#hub.flow.tick) this.#hub.beat(stream);
    if (stream.state !== StreamState.Closed)
      this.#hub.flow.due.set(stream, this.#nextTick(stream, now));
  }

  // The first tick at which something may be due, and not one that is being worked off.
  #nextTick(stream: Stream, now: number): number {
    const { tick } = this.#hub.flow;
    const next = Math.min(
      this.#noticeTick(stream),
      this.#beatTick(stream),
      tickAfter(this.#stallsAt(stream)),
      tickAfter(this.#waitsUntil(stream, now)),
    );
    return Math.max(next, tick + 1);
  }

  // Of the announcement, and after it of the end.
  #noticeTick({ expiresAt, isExpiryAnnounced }: Stream): number {
    if (isExpiryAnnounced) return tickAfter(expiresAt);
    const again = this.#hub.flow.tick + RETRY_NOTICE_TICKS;
    const first = tickAfter(expiresAt - EXPIRY_NOTICE_SECONDS);
    return first > this.#hub.flow.tick ? first : Math.min(again, tickAfter(expiresAt));
  }

  #beatTick({ state, writtenAt, id }: Stream): number {
    if (state === StreamState.Blocked) return Number.POSITIVE_INFINITY;
    return writtenAt + this.#beatTicks + (id % this.#beatSpread);
  }

  #stallsAt({ state, blockedAt }: Stream): number {
    if (state !== StreamState.Blocked) return Number.POSITIVE_INFINITY;
    return blockedAt + this.#stallSeconds;
  }

  // Seconds since the addon's timer was set by a refused write, if it still runs.
  #waitedFor(stream: Stream, now: number): number {
    return this.#hub.flow.slowStreams.has(stream) ? now - stream.blockedAt : 0;
  }

  #waitsUntil(stream: Stream, now: number): number {
    if (!this.#hub.flow.slowStreams.has(stream)) return Number.POSITIVE_INFINITY;
    const isWaiting = now - stream.blockedAt >= KEEP_WAITING_SECONDS;
    return (isWaiting ? now : stream.blockedAt) + KEEP_WAITING_SECONDS;
  }
}
