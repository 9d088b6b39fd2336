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

/** Slow streams are looked at this often. */
const SLOW_PERIOD_MS = 1_000;

/** And this often, in such looks, the addon's timer of 8 to 12 seconds is set anew. */
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
  #slowChecks = 0;

  constructor({ hub, heartbeatSeconds, stallSeconds }: ClockworkOptions) {
    this.#hub = hub;
    this.#stallSeconds = stallSeconds;
    this.#sweeps = [
      new Sweep(hub.streams, heartbeatSeconds * 1000, (stream) => hub.beat(stream)),
      new Sweep(hub.streams, EXPIRY_PERIOD_MS, (stream) => this.checkExpiry(stream)),
      new Sweep(hub.channels, HISTORY_PERIOD_MS, (channel) => hub.expire(channel)),
    ];
  }

  start(): void {
    this.#lastStep = performance.now();
    this.#timers = [
      setInterval(() => this.#step(), SWEEP_STEP_MS).unref(),
      setInterval(() => this.checkSlow(), SLOW_PERIOD_MS).unref(),
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
    if (!stream.isExpiryAnnounced)
      stream.isExpiryAnnounced = this.#hub.announceExpiry(stream, left);
  }

  /** Closes streams that have taken nothing for too long, and keeps the others waiting. */
  checkSlow(): void {
    const now = this.#hub.now();
    const isDue = this.#slowChecks++ % KEEP_WAITING_EVERY === 0;
    // A copy: a stream that takes a little and blocks again would come up once more.
    for (const stream of [...this.#hub.slowStreams]) {
      const isBlocked = stream.state === StreamState.Blocked;
      if (isBlocked && now - stream.blockedAt >= this.#stallSeconds) stream.close('stalled');
      else if (isDue) stream.keepWaiting();
    }
  }
}
