/**
 * Tells a receiver what happens, by Standard Webhooks: one request at a time, so that order is kept,
 * with up to 100 events each, tried again until it is taken.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import type { Logger } from '../logger.ts';
import { type WebhookEvent, WebhookQueue } from './queue.ts';

/** Events in one request at most. */
export const MAX_EVENTS_PER_REQUEST = 100;

/** How long an event waits for others to go with it, in milliseconds. */
const GATHER_MS = 1_000;

/** What a receiver gets to answer, in milliseconds. */
const ANSWER_MS = 15_000;

/** Events that wait take this much at most, in bytes. */
const MAX_WAITING_BYTES = 16_777_216;

export interface WebhooksOptions {
  readonly url: string;
  /** Each signs: the present one and, while they change, the previous one. */
  readonly secrets: readonly string[];
  readonly logger: Logger;
  /** Which of several nodes this is: each numbers its own events. */
  readonly node?: string | undefined;
  readonly maxWaitingBytes?: number;
  /** When it is tried again first and at most, in milliseconds. */
  readonly retryMs?: readonly [first: number, most: number];
  readonly gatherMs?: number;
}

/** Since the start, but for `waiting`. */
export interface WebhookMeasures {
  /** Events that were taken. */
  readonly sent: number;
  /** Requests that were answered 2xx, and those that were not. */
  readonly taken: number;
  readonly failed: number;
  /** Events that wait, with what gaps among them stand for. */
  readonly waiting: number;
  /** Events that gave way to gaps or had nobody to be told to, and those gaps. */
  readonly dropped: number;
  readonly gaps: number;
}

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #signers: readonly Webhook[];
  readonly #queue: WebhookQueue;
  /** Nothing is gathered any more, and what failed is tried again at once. */
  readonly #hurry = new AbortController();
  readonly #stop = new AbortController();
  readonly #counts = { sent: 0, taken: 0, failed: 0 };
  #isOff = false;
  #running: Promise<void> | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#signers = options.secrets.map((secret) => new Webhook(secret));
    this.#queue = new WebhookQueue(options.maxWaitingBytes ?? MAX_WAITING_BYTES);
  }

  /** Never waits, never throws. */
  tell(type: string, data: WebhookEvent['data']): void {
    if (this.#stop.signal.aborted) return;
    if (this.#isOff) {
      this.#queue.droppedCount += 1;
      return;
    }
    this.#queue.push(type, data);
    this.start();
  }

  /** So many of an earlier life of the server were not taken: that is told first, from `start` on. */
  missed(count: number): void {
    if (count > 0) this.#queue.pushMissed(count);
  }

  /** Tells what waits. */
  start(): void {
    if (this.#queue.count === 0 || this.#stop.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /**
   * Hands over what waits, until `deadline`, and tells no more. Resolves with how many the receiver has
   * not taken, as far as is known: an answer may have been on its way.
   */
  async leave(deadline: Promise<unknown>): Promise<number> {
    this.#hurry.abort();
    await Promise.race([this.#running, deadline]);
    await this.stop();
    const { untoldCount } = this.#queue;
    if (untoldCount > 0) this.#options.logger.warn({ events: untoldCount }, UNTOLD);
    return untoldCount;
  }

  /** Tells no more. */
  async stop(): Promise<void> {
    this.#hurry.abort();
    this.#stop.abort();
    await this.#running;
  }

  get measures(): WebhookMeasures {
    const { untoldCount: waiting, droppedCount: dropped, gapCount: gaps } = this.#queue;
    return { ...this.#counts, waiting, dropped, gaps };
  }

  async #run(): Promise<void> {
    while (this.#queue.count > 0 && !this.#stop.signal.aborted) {
      if (this.#queue.count < MAX_EVENTS_PER_REQUEST)
        await pause(this.#options.gatherMs ?? GATHER_MS, this.#hurry.signal);
      await this.#deliver(this.#queue.take(MAX_EVENTS_PER_REQUEST));
    }
  }

  async #deliver(events: readonly WebhookEvent[]): Promise<void> {
    const id = `msg_${randomUUID()}`;
    const { node } = this.#options;
    const timestamp = new Date().toISOString();
    const body = JSON.stringify({ type: 'batch', timestamp, node, events });
    const [first, most] = this.#options.retryMs ?? [1_000, 60_000];
    for (let retryMs = first; !this.#stop.signal.aborted; retryMs = Math.min(most, 2 * retryMs)) {
      const status = await this.#send(id, body);
      if (this.#stop.signal.aborted) return;
      if (status >= 200 && status < 300) return this.#delivered(events.length);
      this.#counts.failed += 1;
      if (status === 410) return this.#switchOff();
      this.#options.logger.warn({ status, events: events.length }, UNTAKEN);
      const { signal } = this.#hurry.signal.aborted ? this.#stop : this.#hurry;
      await pause(retryMs * (0.75 + Math.random() / 2), signal);
    }
  }

  #delivered(count: number): void {
    this.#queue.delivered();
    this.#counts.sent += count;
    this.#counts.taken += 1;
  }

  #switchOff(): void {
    this.#isOff = true;
    this.#queue.clear();
    this.#options.logger.error(
      'the receiver of webhooks says that it is gone (410): none is sent until the next start',
    );
  }

  // 0 when there was no answer. A redirect is none that is followed: it is tried again.
  async #send(id: string, body: string): Promise<number> {
    const now = new Date();
    // Not AbortSignal.timeout: one that only AbortSignal.any refers to may be collected before its time.
    const aborter = new AbortController();
    const abort = () => aborter.abort();
    const late = setTimeout(abort, ANSWER_MS).unref();
    this.#stop.signal.addEventListener('abort', abort);
    try {
      const response = await fetch(this.#options.url, {
        method: 'POST',
        redirect: 'manual',
        signal: aborter.signal,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
          'webhook-signature': this.#signers.map((one) => one.sign(id, now, body)).join(' '),
        },
        body,
      });
      response.body?.cancel().catch(() => {});
      return response.status;
    } catch {
      return 0; // told by who asked
    } finally {
      clearTimeout(late);
      this.#stop.signal.removeEventListener('abort', abort);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {});
}

const UNTOLD =
  'webhooks were not taken before the server stopped: with -snapshot the next start tells of them by webhook.gap; ask GET /users/ for those that matter';

const UNTAKEN =
  'webhooks were not taken and are tried again: the receiver must answer 2xx within 15 seconds, without a redirect';
