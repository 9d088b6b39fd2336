/**
 * The books of a test: what emitters were answered, what clients received, and whether the two add
 * up. Every acknowledged event that was meant for a client was delivered to it or lies in a gap that
 * it was told of; nothing else arrived, nothing twice, nothing out of order.
 */
import assert from 'node:assert/strict';

/** `unknown`: the connection broke before an answer came, so the event may or may not exist. */
export type Outcome = 'acked' | 'refused' | 'unknown';

export interface Emitted {
  readonly seq: number;
  /** User names, or undefined for everyone. */
  readonly to: readonly string[] | undefined;
  readonly channels: readonly string[];
  /** Of the text as clients are to see it. */
  readonly crc: number;
  readonly outcome: Outcome;
  /** Only with `acked`. */
  readonly id: string | undefined;
  /** Open streams that the server said it is meant for. */
  readonly streams: number;
}

export interface Delivery {
  readonly id: string;
  readonly seq: number;
  readonly crc: number;
}

export interface Notice {
  readonly after: string;
  readonly resumed: string;
  readonly reason: string;
}

/** One client's side, over all of its connections. */
export interface Receipt {
  readonly user: string;
  readonly channels: readonly string[];
  /** The id it began after. */
  readonly since: string;
  readonly deliveries: Delivery[];
  readonly notices: Notice[];
  /** Connections that became a stream. */
  connections: number;
  /** What no client may see: bad statuses, events without an id. */
  readonly problems: string[];
}

/** Sums over all clients, to be printed and compared. */
export interface Account {
  readonly acked: number;
  readonly refused: number;
  readonly unknown: number;
  /** What the server said of how many streams its events were for. */
  readonly streams: number;
  /** Acknowledged events, counted once for each client they were meant for. */
  readonly expected: number;
  readonly delivered: number;
  /** Expected events that were not delivered but lie in a gap that was told. */
  readonly reported: number;
  /** Deliveries of events whose emitter got no answer. */
  readonly unanswered: number;
  readonly notices: number;
  readonly connections: number;
}

/** Problems that are shown; the first few tell what is wrong. */
const SHOWN = 8;

/** The order of all ids, over epochs too: the epochs in the order in which they began. */
class Order {
  readonly #epochs = new Map<string, number>();

  constructor(ids: Iterable<string>) {
    for (const id of ids) this.#add(id.slice(0, id.lastIndexOf('-')));
  }

  // An epoch is the time of its beginning, of one length and followed by noise.
  #add(epoch: string): void {
    if (this.#epochs.has(epoch)) return;
    this.#epochs.set(epoch, 0);
    const sorted = [...this.#epochs.keys()].sort();
    for (const [i, name] of sorted.entries()) this.#epochs.set(name, i);
  }

  of(id: string): number {
    const at = id.lastIndexOf('-');
    const epoch = this.#epochs.get(id.slice(0, at));
    if (epoch === undefined) return Number.NaN;
    return epoch * 2 ** 40 + Number(id.slice(at + 1));
  }
}

const isMeantFor = ({ to, channels }: Emitted, receipt: Receipt): boolean =>
  (to === undefined || to.includes(receipt.user)) &&
  channels.some((channel) => receipt.channels.includes(channel));

class Audit {
  readonly problems: string[] = [];
  readonly #emitted: readonly Emitted[];
  readonly #bySeq: ReadonlyMap<number, Emitted>;
  readonly #order: Order;
  expected = 0;
  delivered = 0;
  reported = 0;
  unanswered = 0;

  constructor(emitted: readonly Emitted[], receipts: readonly Receipt[]) {
    this.#emitted = emitted;
    this.#bySeq = new Map(emitted.map((event) => [event.seq, event]));
    this.#order = new Order([
      ...emitted.flatMap(({ id }) => id ?? []),
      ...receipts.flatMap(({ since, deliveries }) => [since, ...deliveries.map(({ id }) => id)]),
      ...receipts.flatMap(({ notices }) => notices.map(({ resumed }) => resumed)),
    ]);
    this.#checkIds();
  }

  #checkIds(): void {
    const ids = this.#emitted.flatMap(({ id }) => id ?? []);
    if (new Set(ids).size < ids.length) this.problems.push('an id was given to two emits');
  }

  check(receipt: Receipt, name: string): void {
    const say = (problem: string) => this.problems.push(`${name}: ${problem}`);
    for (const problem of receipt.problems) say(problem);
    this.#checkOrder(receipt, say);
    for (const delivery of receipt.deliveries) this.#checkDelivery(delivery, receipt, say);
    this.#checkLoss(receipt, say);
  }

  #checkOrder({ deliveries, since }: Receipt, say: (problem: string) => void): void {
    let last = since;
    for (const { id } of deliveries) {
      if (id === last) say(`${id} came twice in a row`);
      else if (!(this.#order.of(id) > this.#order.of(last))) say(`${id} came after ${last}`);
      last = id;
    }
  }

  #checkDelivery(delivery: Delivery, receipt: Receipt, say: (problem: string) => void): void {
    const { id, seq, crc } = delivery;
    const event = this.#bySeq.get(seq);
    if (event === undefined) return void say(`${id} was never emitted (seq ${seq})`);
    if (event.outcome === 'refused') say(`${id} was refused, and delivered (seq ${seq})`);
    if (event.outcome === 'unknown') this.unanswered += 1;
    if (event.id !== undefined && event.id !== id)
      say(`seq ${seq} has id ${event.id}, came as ${id}`);
    if (event.crc !== crc) say(`${id} has other content than seq ${seq}`);
    if (!isMeantFor(event, receipt)) say(`${id} was meant for others`);
  }

  #checkLoss(receipt: Receipt, say: (problem: string) => void): void {
    const delivered = new Set(receipt.deliveries.map(({ id }) => id));
    const since = this.#order.of(receipt.since);
    const gaps = receipt.notices.map((notice) => this.#gapOf(notice, delivered));
    const lies = (at: number) => gaps.some(([after, end]) => at > after && at < end);
    for (const event of this.#emitted) {
      if (event.id === undefined || !isMeantFor(event, receipt)) continue;
      const at = this.#order.of(event.id);
      if (at <= since) continue;
      this.expected += 1;
      if (delivered.has(event.id)) {
        this.delivered += 1;
        if (lies(at)) say(`${event.id} was delivered, and said to be missing`);
      } else if (lies(at)) this.reported += 1;
      else say(`${event.id} is lost without a word (seq ${event.seq})`);
    }
  }

  // A notice names what comes next; where nothing was there to come, the newest that is missing.
  #gapOf({ after, resumed }: Notice, delivered: ReadonlySet<string>): [number, number] {
    const end = this.#order.of(resumed);
    return [this.#order.of(after), delivered.has(resumed) ? end : end + 1];
  }
}

const count = (emitted: readonly Emitted[], outcome: Outcome): number =>
  emitted.filter((event) => event.outcome === outcome).length;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Throws when the books do not add up, with the seed; returns the sums. */
export function audit(
  emitted: readonly Emitted[],
  receipts: readonly Receipt[],
  seed: number,
): Account {
  const audit = new Audit(emitted, receipts);
  for (const [i, receipt] of receipts.entries()) audit.check(receipt, `client ${i}`);
  const { problems, expected, delivered, reported, unanswered } = audit;
  const shown = problems.slice(0, SHOWN).join('\n  ');
  assert.equal(problems.length, 0, `seed ${seed}: ${problems.length} problems\n  ${shown}`);
  assert.equal(expected, delivered + reported, `seed ${seed}: the sums differ`);
  return {
    acked: count(emitted, 'acked'),
    refused: count(emitted, 'refused'),
    unknown: count(emitted, 'unknown'),
    streams: sum(emitted.map((event) => event.streams)),
    expected,
    delivered,
    reported,
    unanswered,
    notices: sum(receipts.map(({ notices }) => notices.length)),
    connections: sum(receipts.map(({ connections }) => connections)),
  };
}
