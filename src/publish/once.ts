/**
 * A layer over whoever numbers events: what was emitted under a key is not emitted again while the key
 * is remembered, however often and from wherever it comes. Without a key nothing changes.
 */
import { idempotencyMismatch, TidingsError } from '../errors.ts';
import type { Epoch } from '../log/lineage.ts';
import { formatEventId } from '../wire/event-id.ts';
import { fingerprint, placesByKey } from './fingerprint.ts';
import type { KeyMemory } from './key-memory.ts';
import type { EventKey, OutgoingEvent, Published, Publisher } from './publisher.ts';
import { type Done, Upload } from './upload.ts';

type Late<T> = T | Promise<T>;

export class OncePublisher implements Publisher {
  readonly #next: Publisher;
  readonly #memory: KeyMemory;
  readonly #epochs: readonly Epoch[];

  /** `epochs`: whose numbers may be remembered, oldest first; the last is the present one. */
  constructor(next: Publisher, memory: KeyMemory, epochs: readonly Epoch[]) {
    this.#next = next;
    this.#memory = memory;
    this.#epochs = epochs;
  }

  /** @throws TidingsError `IDEMPOTENCY_MISMATCH`, `UPLOAD_TOO_LONG`, and what numbering throws */
  publish(event: OutgoingEvent): Late<Published> {
    const { key } = event;
    if (key === undefined) return this.#next.publish(event);
    const own = fingerprint(event);
    return this.#known(key, own) ?? this.#remember(key, own, this.#next.publish(event));
  }

  publishAll(events: readonly OutgoingEvent[]): Late<readonly Published[]> {
    if (events.every(({ key }) => key === undefined)) return this.#next.publishAll(events);
    const before = events.map((event) => this.#before(event));
    const places = placesByKey(events);
    const fresh = [...events.keys()].filter(
      (index) => places[index] === index && before[index] === undefined,
    );
    if (fresh.length === 0) return inOrder(before as Late<Published>[]);
    const published = this.#next.publishAll(fresh.map((index) => events[index]!));
    const order = new Map(fresh.map((index, place) => [index, place]));
    const of = (index: number): Late<Published> =>
      published instanceof Promise
        ? published.then((all) => all[order.get(index)!]!)
        : (published as readonly Published[])[order.get(index)!]!;
    return this.#rememberAll(events, { before, places, of });
  }

  #rememberAll(
    events: readonly OutgoingEvent[],
    ways: {
      before: readonly (Late<Published> | undefined)[];
      places: readonly number[];
      of: (index: number) => Late<Published>;
    },
  ): Late<readonly Published[]> {
    const results: Late<Published>[] = [];
    for (const [index, event] of events.entries()) {
      const known = ways.before[index];
      const place = ways.places[index]!;
      if (known !== undefined) results.push(known);
      else if (place !== index) results.push(this.#duplicate(results[place]!));
      else if (event.key === undefined) results.push(ways.of(index));
      else results.push(this.#remember(event.key, fingerprint(event), ways.of(index)));
    }
    return inOrder(results);
  }

  #before(event: OutgoingEvent): Late<Published> | undefined {
    return event.key === undefined ? undefined : this.#known(event.key, fingerprint(event));
  }

  // What was emitted under this key; undefined when nothing was, and there is room to remember it.
  #known({ name, line }: EventKey, own: number): Late<Published> | undefined {
    const known = this.#memory.use(name);
    if (known === undefined) return undefined;
    if (known instanceof Upload !== (line !== undefined)) throw idempotencyMismatch();
    const done = known instanceof Upload ? known.get(line!) : known;
    if (done !== undefined) return this.#again(done, own);
    if (known instanceof Upload && known.bytes >= this.#memory.uploadBytes) throw tooLong();
    return undefined;
  }

  #again({ fingerprint: first, n, published }: Done, own: number): Late<Published> {
    if (first !== own) throw idempotencyMismatch();
    if (published !== undefined) return this.#duplicate(published);
    return this.#noted({ id: this.#idOf(n), streams: 0, duplicate: true });
  }

  #duplicate(published: Late<Published>): Late<Published> {
    if (published instanceof Promise) return published.then((late) => this.#duplicate(late));
    return this.#noted({ id: published.id, streams: 0, duplicate: true });
  }

  #remember(key: EventKey, own: number, published: Late<Published>): Late<Published> {
    if (!(published instanceof Promise)) {
      this.#set(key, { fingerprint: own, n: numberOf(published) });
      return this.#noted(published);
    }
    this.#set(key, { fingerprint: own, n: 0, published });
    return published.then(
      (late) => {
        this.#set(key, { fingerprint: own, n: numberOf(late) });
        return this.#noted(late);
      },
      (error: unknown) => {
        this.#forget(key);
        throw error;
      },
    );
  }

  #set({ name, line }: EventKey, done: Done): void {
    if (line === undefined) return this.#memory.set(name, done);
    let upload = this.#memory.get(name) ?? this.#memory.use(name);
    if (!(upload instanceof Upload)) {
      upload = new Upload();
      this.#memory.set(name, upload);
    }
    const before = upload.bytes;
    if (done.n === 0) upload.await(line, done);
    else upload.set(line, done);
    this.#memory.grown(upload.bytes - before);
  }

  #forget({ name, line }: EventKey): void {
    const known = this.#memory.use(name);
    if (line === undefined) this.#memory.forget(name);
    else if (known instanceof Upload) known.forget(line);
  }

  #noted(published: Published): Published {
    const { shortWindow } = this.#memory;
    if (shortWindow === undefined) return published;
    const { id, streams, duplicate } = published;
    return duplicate === undefined
      ? { id, streams, window: shortWindow }
      : { id, streams, duplicate, window: shortWindow };
  }

  // The epoch that gave the number out is the first that had reached it.
  #idOf(n: number): string {
    const epoch = this.#epochs.find(({ head }) => n <= head) ?? this.#epochs.at(-1)!;
    return formatEventId(epoch.epoch, n);
  }
}

const numberOf = ({ id }: Published): number => Number(id.slice(id.lastIndexOf('-') + 1));

const inOrder = (results: readonly Late<Published>[]): Late<readonly Published[]> =>
  results.some((one) => one instanceof Promise)
    ? Promise.all(results)
    : (results as readonly Published[]);

const tooLong = (): TidingsError =>
  new TidingsError(
    'UPLOAD_TOO_LONG',
    'no more lines can be remembered under one Idempotency-Key: send the rest under another, or raise -memory',
  );
