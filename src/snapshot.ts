/**
 * What a hub knows, in a file, from one process to the next: one JSON value a line, the head first,
 * a count last, so that a file cut short is noticed. Nothing else is taken over: a snapshot that is not
 * whole is worth less than none, since ids would continue over a hole.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { Eviction } from './evictions.ts';
import type { Epoch } from './lineage.ts';
import type { ChannelLog, Recipients } from './log.ts';

/** Changes when the lines do; other versions are not read. */
const FORMAT = 1;

/** Characters gathered before they are written. */
const WRITE_CHARS = 1_048_576;

export interface DumpedEntry {
  readonly n: number;
  /** One user, several, or null for everyone. */
  readonly to: string | readonly string[] | null;
  readonly channels: readonly string[];
  /** The encoded frame. */
  readonly text: string;
  /** Seconds since it was appended. */
  readonly age: number;
}

/** Everything a hub needs to go on where another left off. */
export interface Dump {
  /** Epochs whose ids are accepted, oldest first; the last is the present one. */
  readonly epochs: readonly Epoch[];
  readonly head: number;
  /** On a channel that is not named anything may have been evicted through this number. */
  readonly evictedElsewhere: number;
  readonly evictions: Iterable<Eviction>;
  /** In the order of their numbers. */
  readonly entries: Iterable<DumpedEntry>;
}

/** All entries of these channels, each once, in the order of their numbers. */
export function dumpEntries(
  channels: Iterable<{ readonly name: string; readonly log: ChannelLog }>,
  now: number,
): DumpedEntry[] {
  const byNumber = new Map<number, DumpedEntry & { channels: string[] }>();
  for (const { name, log } of channels) {
    for (const { n, to, bytes, time } of log.after(0)) {
      const present = byNumber.get(n);
      if (present !== undefined) present.channels.push(name);
      else
        byNumber.set(n, {
          n,
          to: plain(to),
          channels: [name],
          text: bytes.toString(),
          age: now - time,
        });
    }
  }
  return [...byNumber.values()].sort((a, b) => a.n - b.n);
}

const plain = (to: Recipients): DumpedEntry['to'] =>
  typeof to === 'object' ? [...to] : (to ?? null);

interface Head extends Omit<Dump, 'entries'> {
  readonly format: number;
  /** Unix seconds. */
  readonly time: number;
}

/** Writes beside `path`, then takes its place at once. Returns how many entries there are. */
export function writeSnapshot(path: string, { entries, ...rest }: Dump, now = unixSeconds): number {
  const head: Head = { format: FORMAT, time: now(), ...rest, evictions: [...rest.evictions] };
  const file = openSync(`${path}.new`, 'w', 0o600);
  let count = 0;
  try {
    let text = line(head);
    for (const entry of entries) {
      text += line(entry);
      count += 1;
      if (text.length < WRITE_CHARS) continue;
      writeSync(file, text);
      text = '';
    }
    writeSync(file, text + line(count));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  return count;
}

/** What the file holds; undefined when there is none. @throws when it is not whole */
export function readSnapshot(path: string, now = unixSeconds): Dump | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  const { format, time, ...rest } = JSON.parse(lines[0]!) as Head;
  const count = lines.length - 3;
  if (format !== FORMAT) throw new Error(`snapshot format ${format}: this version reads ${FORMAT}`);
  if (lines.at(-1) !== '' || lines.at(-2) !== String(count))
    throw new Error('snapshot is cut short');
  const away = Math.max(0, now() - time);
  const entries = lines.slice(1, -2).map((entry) => {
    const parsed = JSON.parse(entry) as DumpedEntry;
    return { ...parsed, age: parsed.age + away };
  });
  return { ...rest, entries };
}

/** Must be done once what it held is in use: after a crash nobody may count from there again. */
export function removeSnapshot(path: string): void {
  rmSync(path, { force: true });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

const unixSeconds = (): number => Date.now() / 1_000;
