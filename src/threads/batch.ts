/**
 * Entries on their way to all threads: encoded once, into memory that all of them read. Each thread
 * writes beside each entry how many of its streams it is for.
 *
 *   [ since, lost ][ how many of each ][ numbers ][ lists ][ ends ][ counts: threads × entries ]
 *   [ lists of channels, as JSON ][ recipients, as JSON ][ frames ]
 *
 * A thread that has nobody on the channels of an entry reads its number and no more.
 */
import type { Addressed, NewEntry, Recipients } from '../log/entry.ts';
import { CopiedFrame } from '../wire/frame.ts';
import type { Place, Space } from './shared-ring.ts';

const INT = Int32Array.BYTES_PER_ELEMENT;
const FLOAT = Float64Array.BYTES_PER_ELEMENT;

/** Where things stand, in bytes from the beginning: as floats, then as integers, then the numbers. */
const SINCE = 0;
const LOST = FLOAT;
const COUNT = 2 * FLOAT;
const CHANNEL_BYTES = COUNT + INT;
const PEOPLE_BYTES = COUNT + 2 * INT;
const NUMBERS = COUNT + 4 * INT;

/** As `lost`: nothing is. */
const NOTHING = -1;

export interface Batch {
  /** When the first of them came, in milliseconds of the clock that all threads have. */
  readonly since: number;
  /** Before the entries: what had not come through this number is gone; undefined: nothing is. */
  readonly lost?: number | undefined;
  /** One without a number (0) is only to be counted. */
  readonly entries: readonly NewEntry[];
}

/** One user, several, or null for everyone; and the traces where there is one. */
interface People {
  readonly to: readonly (string | readonly string[] | null)[];
  readonly traces?: readonly (string | null)[];
}

/** Milliseconds since the epoch, never set back: the same in all threads. */
export const commonNow = (): number => performance.timeOrigin + performance.now();

/** `take`: makes room for so many bytes. */
export function encodeBatch(
  { since, lost, entries }: Batch,
  threads: number,
  take: (bytes: number) => Space,
): Space {
  const { lists, listOf } = listsOf(entries);
  const [channels, people] = [JSON.stringify(lists), JSON.stringify(peopleOf(entries))];
  const channelBytes = Buffer.byteLength(channels);
  const peopleBytes = Buffer.byteLength(people);
  const frameBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const textAt = NUMBERS + entries.length * (FLOAT + (2 + threads) * INT);
  const space = take(textAt + channelBytes + peopleBytes + frameBytes);
  const { memory, at } = space;
  memory.floats.set([since, lost ?? NOTHING], (at + SINCE) / FLOAT);
  memory.ints.set([entries.length, channelBytes, peopleBytes], (at + COUNT) / INT);
  memory.bytes.write(channels, at + textAt);
  memory.bytes.write(people, at + textAt + channelBytes);
  writeEntries(space, { entries, listOf, framesAt: textAt + channelBytes + peopleBytes });
  return space;
}

interface Entries {
  readonly entries: readonly NewEntry[];
  readonly listOf: readonly number[];
  readonly framesAt: number;
}

function writeEntries({ memory, at }: Space, { entries, listOf, framesAt }: Entries): void {
  const { floats, ints, bytes: all } = memory;
  const count = entries.length;
  const numbers = (at + NUMBERS) / FLOAT;
  const lists = (at + NUMBERS + count * FLOAT) / INT;
  let end = 0;
  for (let i = 0; i < count; i += 1) {
    const { n, bytes } = entries[i]!;
    floats[numbers + i] = n;
    ints[lists + i] = listOf[i]!;
    if (bytes instanceof Uint8Array) all.set(bytes, at + framesAt + end);
    else bytes.write(all, at + framesAt + end);
    end += bytes.length;
    ints[lists + count + i] = end;
  }
}

// Each list of channels once, and of each entry which one it has.
function listsOf(entries: readonly NewEntry[]) {
  const lists: (readonly string[])[] = [];
  const places = new Map<string, number>();
  const listOf = entries.map(({ channels }) => {
    const key = channels.length === 1 ? channels[0]! : channels.join('\n'); // names hold no control characters
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, lists.length);
    return lists.push(channels) - 1;
  });
  return { lists, listOf };
}

function peopleOf(entries: readonly NewEntry[]): People {
  const to = entries.map(({ to }) => (typeof to === 'object' ? [...to] : (to ?? null)));
  if (entries.every(({ trace }) => trace === undefined)) return { to };
  return { to, traces: entries.map(({ trace }) => trace ?? null) };
}

/** What has come, to be read while its memory is not given back: what is kept of it is copied. */
export class ReceivedBatch {
  readonly since: number;
  readonly lost: number | undefined;
  /** Entries. */
  readonly count: number;
  readonly #place: Place;
  readonly #threads: number;
  readonly #channelsAt: number;
  readonly #peopleAt: number;
  readonly #framesAt: number;
  #lists: readonly (readonly string[])[] | undefined;
  #people: People | undefined;

  constructor(place: Place, threads: number) {
    const { memory, at } = place;
    this.#place = place;
    this.#threads = threads;
    this.since = memory.floats[(at + SINCE) / FLOAT]!;
    const lost = memory.floats[(at + LOST) / FLOAT]!;
    this.lost = lost === NOTHING ? undefined : lost;
    this.count = memory.ints[(at + COUNT) / INT]!;
    this.#channelsAt = at + NUMBERS + this.count * (FLOAT + (2 + threads) * INT);
    this.#peopleAt = this.#channelsAt + memory.ints[(at + CHANNEL_BYTES) / INT]!;
    this.#framesAt = this.#peopleAt + memory.ints[(at + PEOPLE_BYTES) / INT]!;
  }

  /** Each list of channels that an entry has. */
  get lists(): readonly (readonly string[])[] {
    this.#lists ??= this.#json<string[][]>(this.#channelsAt, this.#peopleAt);
    return this.#lists;
  }

  /** Of entry `i`; 0 when it is only to be counted. */
  numberOf(i: number): number {
    return this.#place.memory.floats[(this.#place.at + NUMBERS) / FLOAT + i]!;
  }

  /** Which list of channels entry `i` has. */
  listOf(i: number): number {
    return this.#place.memory.ints[this.#intsAt + i]!;
  }

  addressOf(i: number): Addressed {
    return { channels: this.lists[this.listOf(i)]!, to: recipients(this.#peopleHere.to[i]!) };
  }

  /** With a copy of its frame. */
  entry(i: number): Omit<NewEntry, 'bytes'> & { readonly bytes: CopiedFrame } {
    const { channels, to } = this.addressOf(i);
    const trace = this.#peopleHere.traces?.[i] ?? undefined;
    return { n: this.numberOf(i), channels, to, bytes: this.#frame(i), trace };
  }

  /** One thread tells for how many of its streams entry `i` is. */
  tell(thread: number, i: number, streams: number): void {
    this.#place.memory.ints[this.#countAt(thread, i)] = streams;
  }

  /** For how many streams of all threads entry `i` is, when all have told. */
  told(i: number): number {
    let sum = 0;
    for (let thread = 0; thread < this.#threads; thread += 1)
      sum += this.#place.memory.ints[this.#countAt(thread, i)]!;
    return sum;
  }

  get #intsAt(): number {
    return (this.#place.at + NUMBERS + this.count * FLOAT) / INT;
  }

  #countAt(thread: number, i: number): number {
    return this.#intsAt + (2 + thread) * this.count + i;
  }

  #frame(i: number): CopiedFrame {
    const { bytes, ints } = this.#place.memory;
    const ends = this.#intsAt + this.count;
    const start = i === 0 ? 0 : ints[ends + i - 1]!;
    return new CopiedFrame(bytes, this.#framesAt + start, this.#framesAt + ints[ends + i]!);
  }

  get #peopleHere(): People {
    this.#people ??= this.#json<People>(this.#peopleAt, this.#framesAt);
    return this.#people;
  }

  #json<T>(start: number, end: number): T {
    return JSON.parse(this.#place.memory.bytes.toString('utf8', start, end)) as T;
  }
}

const recipients = (to: People['to'][number]): Recipients =>
  typeof to === 'string' ? to : to === null ? undefined : new Set(to);
