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
  readonly maxWaitingBytes?: number;
  /** When it is tried again first and at most, in milliseconds. */
  readonly retryMs?: readonly [first: number, most: number];
  readonly gatherMs?: number;
}

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #signers: readonly Webhook[];
  readonly #queue: WebhookQueue;
  readonly #stop = new AbortController();
  #isOff = false;
  #running: Promise<void> | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#signers = options.secrets.map((secret) => new Webhook(secret));
    this.#queue = new WebhookQueue(options.maxWaitingBytes ?? MAX_WAITING_BYTES);
  }

  /** Never waits, never throws. */
  tell(type: string, data: WebhookEvent['data']): void {
    if (this.#isOff || this.#stop.signal.aborted) return;
    this.#queue.push(type, data);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Tells no more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.count > 0 && !this.#stop.signal.aborted) {
      if (this.#queue.count < MAX_EVENTS_PER_REQUEST)
        await this.#pause(this.#options.gatherMs ?? GATHER_MS);
      await this.#deliver(this.#queue.take(MAX_EVENTS_PER_REQUEST));
    }
  }

  async #deliver(events: readonly WebhookEvent[]): Promise<void> {
    const id = `msg_${randomUUID()}`;
    const body = JSON.stringify({ type: 'batch', timestamp: new Date().toISOString(), events });
    const [first, most] = this.#options.retryMs ?? [1_000, 60_000];
    for (let retryMs = first; !this.#stop.signal.aborted; retryMs = Math.min(most, 2 * retryMs)) {
      const status = await this.#send(id, body);
      if (status >= 200 && status < 300) return this.#queue.delivered();
      if (status === 410) return this.#switchOff();
      this.#options.logger.warn({ status, events: events.length }, UNTAKEN);
      await this.#pause(retryMs * (0.75 + Math.random() / 2));
    }
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

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
  }
}

const UNTAKEN =
  'webhooks were not taken and are tried again: the receiver must answer 2xx within 15 seconds, without a redirect';
