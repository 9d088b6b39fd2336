/**
 * Whether the books add up. Every acknowledged event that was meant for a client was delivered to it
 * or lies in a gap that it was told of; nothing else arrived, nothing twice, nothing out of order;
 * nobody was told of a gap without missing something.
 */
import assert from 'node:assert/strict';
import {
  type Account,
  type Delivery,
  type Emitted,
  epochOf,
  type Notice,
  type Outcome,
  type Receipt,
} from './ledger.ts';
import { Order } from './ledger-order.ts';
import { takes } from './takes.ts';

/** Problems that are shown; the first few tell what is wrong. */
const SHOWN = 8;

/** Reasons that come of a process that died: nobody can know what it had promised. */
const REASONS_OF_A_START = ['epoch', 'unknown'];

type Say = (problem: string) => void;

/** Finds the events meant for one client without a look at all others. */
class Addressed {
  readonly #byPlace = new Map<string, Emitted[]>();
  readonly #channels = new Set<string>();

  constructor(emitted: readonly Emitted[]) {
    for (const event of emitted)
      for (const channel of event.channels) {
        this.#channels.add(channel);
        for (const user of event.to ?? ['*']) this.#at(channel, user).push(event);
      }
  }

  to({ user, channels }: Receipt): Set<Emitted> {
    const found = new Set<Emitted>();
    for (const channel of [...this.#channels].filter((name) => takes(channels, name)))
      for (const name of ['*', user])
        for (const event of this.#byPlace.get(`${channel}\n${name}`) ?? []) found.add(event);
    return found;
  }

  #at(channel: string, user: string): Emitted[] {
    const place = `${channel}\n${user}`;
    const present = this.#byPlace.get(place);
    if (present !== undefined) return present;
    const events: Emitted[] = [];
    this.#byPlace.set(place, events);
    return events;
  }
}

class Audit {
  readonly problems: string[] = [];
  readonly #bySeq: ReadonlyMap<number, Emitted>;
  readonly #addressed: Addressed;
  /** Ids by seq: as answered, or as somebody received it where no answer came. */
  readonly #ids = new Map<number, string>();
  readonly #order: Order;
  expected = 0;
  delivered = 0;
  reported = 0;
  unanswered = 0;

  constructor(emitted: readonly Emitted[], receipts: readonly Receipt[]) {
    this.#bySeq = new Map(emitted.map((event) => [event.seq, event]));
    this.#addressed = new Addressed(emitted);
    for (const { deliveries } of receipts)
      for (const { seq, id } of deliveries) this.#ids.set(seq, id);
    for (const { seq, id } of emitted) if (id !== undefined) this.#ids.set(seq, id);
    this.#order = new Order(this.#ids.values(), positionsOf(receipts));
    const answered = emitted.flatMap(({ id }) => id ?? []);
    if (new Set(answered).size < answered.length)
      this.problems.push('an id was given to two emits');
  }

  check(receipt: Receipt, name: string): void {
    const say = (problem: string) => this.problems.push(`${name}: ${problem}`);
    for (const problem of receipt.problems) say(problem);
    if (receipt.since === undefined) return this.#checkUnopened(receipt, say);
    this.#checkOrder(receipt, say);
    const addressed = this.#addressed.to(receipt);
    for (const delivery of receipt.deliveries) this.#checkDelivery(delivery, addressed, say);
    const missing = this.#checkLoss(receipt, addressed, say);
    this.#checkNotices(receipt, missing, say);
  }

  // It was cut each time before its first frame: then nothing is due.
  #checkUnopened({ deliveries, notices }: Receipt, say: Say): void {
    if (deliveries.length + notices.length > 0) say('had something before `tidings.open`');
  }

  #checkOrder({ ids, since }: Receipt, say: Say): void {
    let last = since!;
    for (const { id, isEvent } of ids) {
      const step = this.#order.of(id) - this.#order.of(last);
      if (isEvent && id === last) say(`${id} came twice in a row`);
      else if (isEvent ? !(step > 0) : !(step >= 0)) say(`${id} came after ${last}`);
      last = id;
    }
  }

  #checkDelivery(delivery: Delivery, addressed: ReadonlySet<Emitted>, say: Say): void {
    const { id, seq, crc } = delivery;
    const event = this.#bySeq.get(seq);
    if (event === undefined) return say(`${id} was never emitted (seq ${seq})`);
    if (event.outcome === 'refused') say(`${id} was refused, and delivered (seq ${seq})`);
    if (event.outcome === 'unknown') this.unanswered += 1;
    const known = this.#ids.get(seq);
    if (known !== id) say(`seq ${seq} has id ${known}, came as ${id}`);
    if (event.crc !== crc) say(`${id} has other content than seq ${seq}`);
    if (!addressed.has(event)) say(`${id} was meant for others`);
  }

  /** Returns the events that may be missing: those without any id may have stood anywhere. */
  #checkLoss(receipt: Receipt, addressed: ReadonlySet<Emitted>, say: Say): Missing[] {
    const delivered = new Set(receipt.deliveries.map(({ seq }) => seq));
    const since = this.#order.of(receipt.since!);
    const until = receipt.until === undefined ? Infinity : this.#order.of(receipt.until);
    const gaps = receipt.notices.map((notice) => this.#gapOf(notice));
    const missing: Missing[] = [];
    for (const event of addressed) {
      const id = this.#ids.get(event.seq);
      if (id === undefined && event.outcome === 'unknown') missing.push(undefined);
      if (id === undefined) continue;
      const at = this.#order.of(id);
      if (at <= since || at > until) continue;
      const isTold = gaps.some((gap) => isInside(gap, at));
      const isHere = delivered.has(event.seq);
      if (event.outcome === 'acked') this.#count(isHere, isTold);
      if (!isHere) missing.push(at);
      if (isHere && isTold) say(`${id} was delivered, and said to be missing`);
      if (!isHere && !isTold) say(`${id} is lost without a word (seq ${event.seq})`);
    }
    return missing;
  }

  #count(isHere: boolean, isTold: boolean): void {
    this.expected += 1;
    if (isHere) this.delivered += 1;
    else if (isTold) this.reported += 1;
  }

  #checkNotices({ notices }: Receipt, missing: readonly Missing[], say: Say): void {
    const starts = new Set<string>();
    for (const notice of notices) {
      const { after, resumed, reason, id, last } = notice;
      const told = `gap after ${after} through ${resumed} (${reason})`;
      if (id !== resumed) say(`${told} has id ${id}`);
      if (last === undefined) say(`${told}, before there was any id`);
      else if (this.#order.of(after) < this.#order.of(last)) say(`${told}, told after ${last}`);
      const gap = this.#gapOf(notice);
      const isTrue = missing.some((at) => at === undefined || isInside(gap, at));
      const isStart = REASONS_OF_A_START.includes(reason);
      if (!isTrue && !isStart) say(`false alarm: nothing is missing in the ${told}`);
      if (!isTrue && starts.has(epochOf(resumed))) say(`told once more of the ${told}`);
      if (isStart) starts.add(epochOf(resumed));
    }
  }

  #gapOf({ after, resumed }: Notice): Gap {
    return [this.#order.of(after), this.#order.of(resumed)];
  }
}

/** Where an event that did not come stands; undefined: nobody knows. */
type Missing = number | undefined;

type Gap = readonly [after: number, through: number];

const isInside = ([after, through]: Gap, at: number): boolean => at > after && at <= through;

const positionsOf = (receipts: readonly Receipt[]): string[] =>
  receipts.flatMap(({ since, ids, notices }) => [
    ...(since === undefined ? [] : [since]),
    ...ids.flatMap(({ id, isEvent }) => (isEvent ? [] : id)),
    ...notices.flatMap(({ after, resumed }) => [after, resumed]),
  ]);

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
