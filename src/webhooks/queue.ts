/**
 * What is to be told, in order, within a bound of bytes. When it overflows, all that waits gives way to
 * one `webhook.gap` that says which numbers are missing.
 *
 *   in flight │ waiting …………………… │ ◀── push          in flight │ webhook.gap 5–90 │ ◀── push
 */

/** What one costs besides its text, in bytes. */
const OVERHEAD_BYTES = 200;

/** What goes together at most, in bytes: receivers have limits. One alone may be larger. */
export const MAX_TAKEN_BYTES = 262_144;

export interface WebhookEvent {
  /** Counts what is told, from 1 at the start of the server; of a gap, the last that is missing. */
  readonly seq: number;
  readonly type: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly event: WebhookEvent;
  readonly bytes: number;
}

export class WebhookQueue {
  readonly #maxBytes: number;
  #waiting: Waiting[] = [];
  /** How many at the front are on their way. */
  #inFlight = 0;
  #bytes = 0;
  #lastSeq = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#waiting.length;
  }

  push(type: string, data: WebhookEvent['data']): void {
    this.#lastSeq += 1;
    this.#add({ seq: this.#lastSeq, type, time: new Date().toISOString(), data });
    if (this.#bytes > this.#maxBytes && this.#waiting.length > this.#inFlight + 1) this.#overflow();
  }

  /** The first ones, which stay here until they are `delivered`. */
  take(most: number): WebhookEvent[] {
    let [count, bytes] = [0, 0];
    for (const one of this.#waiting) {
      bytes += one.bytes;
      if (count === most || (count > 0 && bytes > MAX_TAKEN_BYTES)) break;
      count += 1;
    }
    const taken = this.#waiting.slice(0, count).map(({ event }) => event);
    this.#inFlight = taken.length;
    return taken;
  }

  /** What was taken last is told. */
  delivered(): void {
    for (const { bytes } of this.#waiting.splice(0, this.#inFlight)) this.#bytes -= bytes;
    this.#inFlight = 0;
  }

  clear(): void {
    this.#waiting = [];
    this.#inFlight = 0;
    this.#bytes = 0;
  }

  #add(event: WebhookEvent): void {
    const bytes = JSON.stringify(event.data).length + OVERHEAD_BYTES;
    this.#waiting.push({ event, bytes });
    this.#bytes += bytes;
  }

  #overflow(): void {
    const lost = this.#waiting.splice(this.#inFlight);
    for (const { bytes } of lost) this.#bytes -= bytes;
    const { type, seq, data } = lost[0]!.event;
    const from = type === 'webhook.gap' ? data['from'] : seq;
    const to = this.#lastSeq;
    const time = new Date().toISOString();
    this.#add({ seq: to, type: 'webhook.gap', time, data: { from, to } });
  }
}
