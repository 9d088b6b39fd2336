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

const GAP = 'webhook.gap';

interface Waiting {
  readonly event: WebhookEvent;
  readonly bytes: number;
  /** The first number that it stands for; of a gap an earlier one than its own. */
  readonly from: number;
  /** How many it stands for of an earlier life of the server. */
  readonly beforeStart: number;
}

export class WebhookQueue {
  readonly #maxBytes: number;
  #waiting: Waiting[] = [];
  /** How many at the front are on their way. */
  #inFlight = 0;
  #bytes = 0;
  #lastSeq = 0;
  /** What gave way to gaps so far, or has nobody to be told to. */
  droppedCount = 0;
  gapCount = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#waiting.length;
  }

  /** What has not been delivered, with all that the gaps among it stand for. */
  get untoldCount(): number {
    return this.#waiting.reduce((sum, one) => sum + standsFor(one), 0);
  }

  push(type: string, data: WebhookEvent['data']): void {
    this.#lastSeq += 1;
    this.#add({ seq: this.#lastSeq, type, time: timeNow(), data });
    if (this.#bytes > this.#maxBytes && this.#waiting.length > this.#inFlight + 1) this.#overflow();
  }

  /** A gap: so many of an earlier life of the server were not delivered. */
  pushMissed(beforeStart: number): void {
    this.#lastSeq += 1;
    const event = { seq: this.#lastSeq, type: GAP, time: timeNow(), data: { beforeStart } };
    this.#add(event, { from: this.#lastSeq + 1, beforeStart });
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

  /** Nothing of it will be delivered. */
  clear(): void {
    this.droppedCount += this.#waiting.filter(({ event }) => event.type !== GAP).length;
    this.#waiting = [];
    this.#inFlight = 0;
    this.#bytes = 0;
  }

  #add(event: WebhookEvent, { from = event.seq, beforeStart = 0 } = {}): void {
    const bytes = Buffer.byteLength(JSON.stringify(event.data)) + OVERHEAD_BYTES;
    this.#waiting.push({ event, bytes, from, beforeStart });
    this.#bytes += bytes;
  }

  #overflow(): void {
    const lost = this.#waiting.splice(this.#inFlight);
    for (const { bytes } of lost) this.#bytes -= bytes;
    const { from: first, beforeStart, event } = lost[0]!;
    const [from, to] = [Math.min(first, event.seq), this.#lastSeq];
    const data = { from, to, ...(beforeStart === 0 ? {} : { beforeStart }) };
    this.gapCount += event.type === GAP ? 0 : 1;
    this.droppedCount += lost.filter((one) => one.event.type !== GAP).length;
    this.#add({ seq: to, type: GAP, time: timeNow(), data }, { from, beforeStart });
  }
}

const standsFor = ({ event, from, beforeStart }: Waiting): number =>
  event.seq - from + 1 + beforeStart;

const timeNow = (): string => new Date().toISOString();
