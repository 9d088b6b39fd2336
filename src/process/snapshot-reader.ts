/** Reads a snapshot line by line, checks it, and knows at its end whether it is whole. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import type { DumpedEntry, DumpedKey } from '../log/dump.ts';
import type { Eviction } from '../log/evictions.ts';
import { readLines } from './line-reader.ts';
import {
  type Head,
  isKey,
  parseEntry,
  parseEviction,
  parseHead,
  parseKey,
  parseTail,
  type Snapshot,
  UnusableSnapshot,
} from './snapshot-format.ts';

const LF = 0x0a;

type KeyAges = NonNullable<Head['keyAges']>;

export interface ReadOptions {
  /** Unix seconds. */
  readonly now?: () => number;
  /** Bytes of one read. */
  readonly blockBytes?: number;
}

/**
 * Gives what the file holds to `use`, a line at a time while it is asked for; false when there is none.
 * That the file is whole is known when this returns: until then what was made of it is not to be used.
 * @throws UnusableSnapshot, and what the file system says
 */
export function readSnapshot(
  path: string,
  use: (snapshot: Snapshot) => void,
  { now = unixSeconds, blockBytes }: ReadOptions = {},
): boolean {
  if (!existsSync(path)) return false;
  const file = openSync(path, 'r');
  try {
    const lines = new LineValues(readLines(file, blockBytes));
    const head = parseHead(lines.take());
    const away = Math.max(0, now() - head.time);
    const entries = entriesOf(lines, head, away);
    const keys = keysOf(lines, head);
    use({
      epochs: head.epochs,
      head: head.head,
      revocations: head.revocations,
      evictedElsewhere: head.evictedElsewhere,
      evictions: evictionsOf(lines, head),
      entries,
      missedWebhooks: head.missedWebhooks,
      keys: head.keyAges && { ages: aged(head.keyAges, away), keys },
    });
    if (entries.next().done !== true || keys.next().done !== true)
      throw new UnusableSnapshot('not all of it could be used');
    return true;
  } finally {
    closeSync(file);
  }
}

function* evictionsOf(lines: LineValues, head: Head): Generator<Eviction> {
  yield* head.evictions;
  while (Array.isArray(lines.next)) yield parseEviction(lines.take(), head.head);
}

function* entriesOf(lines: LineValues, head: Head, away: number): Generator<DumpedEntry> {
  let last = 0;
  for (;;) {
    if (isKey(lines.next) || parseTail(lines.next, head.format) !== undefined) return;
    const entry = parseEntry(lines.take(), last, head.head);
    last = entry.n;
    lines.entryCount += 1;
    yield { ...entry, age: entry.age + away };
  }
}

function* keysOf(lines: LineValues, head: Head): Generator<DumpedKey> {
  for (;;) {
    const tail = parseTail(lines.next, head.format);
    if (tail !== undefined)
      return checkEnd(lines, tail, head.format === 1 ? lines.entryCount : lines.sum());
    yield parseKey(lines.take(), head.head);
  }
}

const aged = ({ young, old, known }: KeyAges, away: number): KeyAges => ({
  young: young + away,
  old: old + away,
  known: known + away,
});

function checkEnd(lines: LineValues, told: string | number, seen: string | number): void {
  lines.take();
  if (told !== seen) throw new UnusableSnapshot('its last line does not fit to the others');
  if (!lines.isOver) throw new UnusableSnapshot('it goes on behind its last line');
}

/** The lines as JSON values, with one to look ahead, and the sum of those that were taken. */
class LineValues {
  /** Entries among those that were taken. */
  entryCount = 0;
  readonly #lines: Iterator<Buffer>;
  readonly #sum = createHash('sha256');
  #bytes: Buffer | undefined;
  #value: unknown;

  constructor(lines: Iterator<Buffer>) {
    this.#lines = lines;
  }

  /** The value that `take` gives next. @throws UnusableSnapshot at the end */
  get next(): unknown {
    if (this.#bytes === undefined) {
      this.#bytes = this.#read();
      this.#value = parseLine(this.#bytes);
    }
    return this.#value;
  }

  take(): unknown {
    const value = this.next;
    this.#sum.update(this.#bytes!);
    this.#bytes = undefined;
    return value;
  }

  /** Of what was taken so far; once. */
  sum(): string {
    return this.#sum.copy().digest('hex');
  }

  get isOver(): boolean {
    return this.#lines.next().done === true;
  }

  #read(): Buffer {
    const step = this.#lines.next();
    if (step.done === true) throw new UnusableSnapshot('it is cut short');
    return step.value;
  }
}

function parseLine(bytes: Buffer): unknown {
  if (bytes.at(-1) !== LF) throw new UnusableSnapshot('it is cut short');
  if (!isUtf8(bytes)) throw new UnusableSnapshot('it is not text');
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // Without the cause: it quotes the line, and events do not belong into the log.
    throw new UnusableSnapshot('it has a line that is not JSON');
  }
}

const unixSeconds = (): number => Date.now() / 1_000;
