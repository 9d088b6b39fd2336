/**
 * What is remembered of the lines sent under one key: of each that was emitted its event's number and a
 * fingerprint. Lines that follow each other nearly always have numbers that do, too, so that numbers are
 * kept as runs of both: a line costs four bytes.
 */
import { PendingLines } from './pending-lines.ts';
import type { Published } from './publisher.ts';

/** `lines` lines from `line` on have the numbers from `n` on. */
export type Run = readonly [line: number, lines: number, n: number];

/** An event that was emitted under a key, or is about to be. */
export interface Done {
  readonly fingerprint: number;
  /** 0 while it is on its way. */
  readonly n: number;
  readonly published?: Promise<Published>;
}

/** Fingerprints that get their memory together. */
const PAGE_LINES = 1_024;
const PAGE_BYTES = PAGE_LINES * Int32Array.BYTES_PER_ELEMENT;

/** What a run, and an upload without lines, take, in bytes. */
const RUN_BYTES = 80;
const OWN_BYTES = 1_000;

interface OpenRun {
  readonly line: number;
  lines: number;
  readonly n: number;
}

export class Upload {
  readonly #runs: OpenRun[] = [];
  readonly #pages: (Int32Array | undefined)[] = [];
  #pageCount = 0;
  /** Lines whose events have no number yet. */
  readonly #pending = new PendingLines<Done>();
  /** Where the last line was found: the next one is there or behind. */
  #at = 0;

  /** In memory, about. */
  get bytes(): number {
    return OWN_BYTES + this.#pageCount * PAGE_BYTES + this.#runs.length * RUN_BYTES;
  }

  get(line: number): Done | undefined {
    const pending = this.#pending.get(line);
    if (pending !== undefined) return pending;
    const run = this.#runs[this.#find(line)];
    if (run === undefined || line >= run.line + run.lines) return undefined;
    return { fingerprint: this.#fingerprint(line), n: run.n + line - run.line };
  }

  await(line: number, done: Done): void {
    this.#pending.set(line, done);
  }

  forget(line: number): void {
    this.#pending.delete(line);
  }

  /** The line's event has a number. To be called once for a line. */
  set(line: number, { fingerprint, n }: Done): void {
    this.#pending.delete(line);
    this.#page(line)[line % PAGE_LINES] = fingerprint;
    const at = this.#find(line);
    const run = this.#runs[at];
    if (run !== undefined && run.line + run.lines === line && run.n + run.lines === n)
      run.lines += 1;
    else this.#runs.splice(at + 1, 0, { line, lines: 1, n });
  }

  get runs(): Run[] {
    return this.#runs.map(({ line, lines, n }) => [line, lines, n]);
  }

  /** Of all lines in runs, in their order. */
  get fingerprints(): Int32Array {
    const all: number[] = [];
    for (const { line, lines } of this.#runs)
      for (let i = line; i < line + lines; i += 1) all.push(this.#fingerprint(i));
    return Int32Array.from(all);
  }

  // The last run that begins at the line or before it; -1 when there is none.
  #find(line: number): number {
    let low = 0;
    let high = this.#runs.length;
    if (this.#runs[this.#at] !== undefined && this.#runs[this.#at]!.line <= line) {
      const next = this.#runs[this.#at + 1];
      if (next === undefined || next.line > line) return this.#at;
      low = this.#at + 1;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.line <= line) low = middle + 1;
      else high = middle;
    }
    this.#at = Math.max(0, low - 1);
    return low - 1;
  }

  #fingerprint(line: number): number {
    return this.#pages[Math.floor(line / PAGE_LINES)]?.[line % PAGE_LINES] ?? 0;
  }

  #page(line: number): Int32Array {
    const at = Math.floor(line / PAGE_LINES);
    const present = this.#pages[at];
    if (present !== undefined) return present;
    this.#pageCount += 1;
    const page = new Int32Array(PAGE_LINES);
    this.#pages[at] = page;
    return page;
  }
}
