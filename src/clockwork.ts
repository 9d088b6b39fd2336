/** What happens because time passes: heartbeats, expiring tokens, stalled streams, old entries. */
import type { Hub } from './hub.ts';
import { type Stream, StreamState } from './stream.ts';
import { SWEEP_STEP_MS, Sweep } from './sweep.ts';

/** Before a token expires its stream is told, this many seconds ahead. */
export const EXPIRY_NOTICE_SECONDS = 30;

/** Each stream's expiry is looked at this often, so it ends at most that much late. */
const EXPIRY_PERIOD_MS = 500;

/** Each channel's oldest entries are looked at this often. */
const HISTORY_PERIOD_MS = 5_000;

/** Blocked streams are looked at this often. */
const STALL_PERIOD_MS = 1_000;

/** The addon drops a blocked connection after 8 to 12 seconds unless something tries to send. */
const KEEP_WAITING_EVERY = 4;

export interface ClockworkOptions {
  readonly hub: Hub;
  readonly heartbeatSeconds: number;
  readonly stallSeconds: number;
}

export class Clockwork {
  readonly #hub: Hub;
  readonly #stallSeconds: number;
  readonly #sweeps: readonly { step(elapsedMs: number): void }[];
  #timers: NodeJS.Timeout[] = [];
  #lastStep = 0;
  #stallChecks = 0;

  constructor({ hub, heartbeatSeconds, stallSeconds }: ClockworkOptions) {
    this.#hub = hub;
    this.#stallSeconds = stallSeconds;
    this.#sweeps = [
      new Sweep(hub.streams, heartbeatSeconds * 1000, (stream) => stream.heartbeat()),
      new Sweep(hub.streams, EXPIRY_PERIOD_MS, (stream) => this.checkExpiry(stream)),
      new Sweep(hub.channels, HISTORY_PERIOD_MS, (channel) => hub.expire(channel)),
    ];
  }

  start(): void {
    this.#lastStep = performance.now();
    this.#timers = [
      setInterval(() => this.#step(), SWEEP_STEP_MS).unref(),
      setInterval(() => this.checkBlocked(), STALL_PERIOD_MS).unref(),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #step(): void {
    const now = performance.now();
    const elapsedMs = now - this.#lastStep;
    this.#lastStep = now;
    for (const sweep of this.#sweeps) sweep.step(elapsedMs);
  }

  /** Announces the end of a token, and ends the stream when it has come. */
  checkExpiry(stream: Stream): void {
    const left = stream.expiresAt - this.#hub.now();
    if (left > EXPIRY_NOTICE_SECONDS) return;
    if (left <= 0) return this.#hub.end(stream, 'expired');
    if (stream.isExpiryAnnounced || stream.state !== StreamState.Live) return;
    stream.isExpiryAnnounced = true;
    stream.systemEvent('expiring', Math.ceil(left));
  }

  /** Closes streams that have taken nothing for too long, and keeps the others waiting. */
  checkBlocked(): void {
    const now = this.#hub.now();
    const isDue = this.#stallChecks++ % KEEP_WAITING_EVERY === 0;
    for (const stream of this.#hub.blockedStreams) {
      if (now - stream.blockedAt >= this.#stallSeconds) stream.close('stalled');
      else if (isDue) stream.keepWaiting();
    }
  }
}
