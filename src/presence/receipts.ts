/** Looks after a while whether the users of an event had it, and tells of those who had not. */

import { TidingsError } from '../errors.ts';
import type { Heard } from '../hub/heard.ts';
import type { OutgoingEvent, Published, Publisher } from '../publish/publisher.ts';

/** Events that are waited for at most, and what they hold together, in bytes. */
export const MAX_RECEIPTS = 10_000;
export const MAX_RECEIPT_BYTES = 16_777_216;

export interface Undelivered {
  readonly id: string;
  /** Those whom no stream took it for. */
  readonly users: readonly string[];
  readonly channels: readonly string[];
  /** Lines of an event stream, without its id. */
  readonly event: string;
  /** Another machine did not say in time whether it has given the event to them. */
  readonly complete?: false;
}

export interface ReceiptsOptions {
  readonly publisher: Publisher;
  /** Which of the users had the event on these channels. */
  readonly takers: (
    id: string,
    channels: readonly string[],
    users: readonly string[],
  ) => Promise<Heard<string>>;
  /** Undefined: there is nobody to be told. */
  readonly tell: ((undelivered: Undelivered) => void) | undefined;
}

export class Receipts implements Publisher {
  readonly #options: ReceiptsOptions;
  #count = 0;
  #bytes = 0;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Events that are waited for. */
  get count(): number {
    return this.#count;
  }

  /** @throws TidingsError `RECEIPTS_FULL`, or `FIELD_INVALID` when nobody is told */
  publish(event: OutgoingEvent): Published | Promise<Published> {
    if (event.receiptSeconds === undefined) return this.#options.publisher.publish(event);
    this.#admit([event]);
    const published = this.#options.publisher.publish(event);
    const wait = (known: Published): Published => this.#wait(event, known);
    return published instanceof Promise ? published.then(wait) : wait(published);
  }

  /** As `publish`. */
  publishAll(
    events: readonly OutgoingEvent[],
  ): readonly Published[] | Promise<readonly Published[]> {
    this.#admit(events);
    const published = this.#options.publisher.publishAll(events);
    const wait = (all: readonly Published[]) =>
      all.map((known, i) => this.#wait(events[i]!, known));
    return published instanceof Promise ? published.then(wait) : wait(published);
  }

  #admit(events: readonly OutgoingEvent[]): void {
    let [count, bytes] = [this.#count, this.#bytes];
    for (const { receiptSeconds, body } of events) {
      if (receiptSeconds === undefined) continue;
      if (this.#options.tell === undefined) throw unheard();
      count += 1;
      bytes += Buffer.byteLength(body);
      if (count > MAX_RECEIPTS || bytes > MAX_RECEIPT_BYTES) throw full();
    }
  }

  // What was emitted before has its receipt from then.
  #wait(event: OutgoingEvent, published: Published): Published {
    if (event.receiptSeconds === undefined || published.duplicate === true) return published;
    const bytes = Buffer.byteLength(event.body);
    this.#count += 1;
    this.#bytes += bytes;
    setTimeout(() => {
      this.#count -= 1;
      this.#bytes -= bytes;
      // Where it fails its threads have gone, with the server.
      this.#look(event, published.id).catch(() => {});
    }, event.receiptSeconds * 1_000).unref();
    return published;
  }

  async #look({ to, channels, body }: OutgoingEvent, id: string): Promise<void> {
    const users = typeof to === 'object' ? [...to] : to === undefined ? [] : [to];
    const { answers, unheard } = await this.#options.takers(id, channels, users);
    const takers = new Set(answers);
    const missing = users.filter((user) => !takers.has(user));
    if (missing.length === 0) return;
    const doubt = unheard === undefined ? {} : ({ complete: false } as const);
    this.#options.tell?.({ id, users: missing, channels, event: String(body), ...doubt });
  }
}

const unheard = (): TidingsError =>
  new TidingsError('FIELD_INVALID', 'a receipt is told by webhook: start the server with -webhook');

const full = (): TidingsError =>
  new TidingsError(
    'RECEIPTS_FULL',
    'too many receipts are waited for: ask for fewer, or for a shorter time',
  );
