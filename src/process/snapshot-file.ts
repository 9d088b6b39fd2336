/** The snapshot as a file: written beside its place, put there whole, and never deleted unread. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Dump } from '../log/dump.ts';
import { FORMAT, isObject, type Snapshot } from './snapshot-format.ts';

/** Characters gathered before they are written. */
const WRITE_CHARS = 1_048_576;

/** Unusable files that are kept; then somebody has to look. */
const MAX_ASIDE = 100;

const NEWLINE = '\n';

type Written = Dump & Partial<Snapshot>;

/**
 * Writes beside `path`, then takes its place at once. Returns how many entries there are.
 * @throws what the file system says; then what was at `path` is still there
 */
export function writeSnapshot(path: string, dump: Written, now = unixSeconds): number {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  try {
    const count = writeWhole(beside, dump, now());
    renameSync(beside, path);
    syncFolder(path);
    return count;
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

function writeWhole(path: string, dump: Written, time: number): number {
  const file = openSync(path, 'wx', 0o600);
  try {
    const count = writeLines(new LineWriter(file), dump, time);
    fsyncSync(file);
    return count;
  } finally {
    closeSync(file);
  }
}

function writeLines(
  lines: LineWriter,
  { evictions, entries, keys, ...rest }: Written,
  time: number,
): number {
  let count = 0;
  lines.add({ format: FORMAT, time, ...rest, keyAges: keys?.ages });
  for (const eviction of evictions) lines.add(eviction);
  for (const entry of entries) {
    lines.add(entry);
    count += 1;
  }
  for (const key of keys?.keys ?? []) lines.add(key);
  lines.end();
  return count;
}

class LineWriter {
  readonly #file: number;
  readonly #sum = createHash('sha256');
  #text = '';

  constructor(file: number) {
    this.#file = file;
  }

  add(value: unknown): void {
    this.#text += JSON.stringify(value) + NEWLINE;
    if (this.#text.length >= WRITE_CHARS) this.#flush();
  }

  end(): void {
    this.#flush();
    this.#text = JSON.stringify({ sha256: this.#sum.digest('hex') }) + NEWLINE;
    writeAll(this.#file, Buffer.from(this.#text));
  }

  #flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#sum.update(bytes);
    writeAll(this.#file, bytes);
    this.#text = '';
  }
}

// A disk that is almost full takes a part, and says so only when it is asked again.
function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Must be done once what it held is in use: after a crash nobody may count from there again. */
export function removeSnapshot(path: string): void {
  if (!existsSync(path)) return;
  rmSync(path);
  syncFolder(path);
}

/** Renames the file to `path` with `.unusable` and, from the second on, a number. Returns the name. */
export function setAside(path: string): string {
  for (let i = 0; i < MAX_ASIDE; i += 1) {
    const aside = `${path}.unusable${i === 0 ? '' : `.${i}`}`;
    if (existsSync(aside)) continue;
    renameSync(path, aside);
    return aside;
  }
  throw new Error(`there are ${MAX_ASIDE} files ${path}.unusable already: remove them`);
}

// What was renamed or removed is so after a power cut only when its folder is on the disk.
function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } catch (error) {
    // Some network file systems have no such thing.
    if (!isObject(error) || error['code'] !== 'EINVAL') throw error;
  } finally {
    closeSync(folder);
  }
}

const unixSeconds = (): number => Date.now() / 1_000;
