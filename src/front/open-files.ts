/** How many files the process may have open, every connection being one, and whether there is one left. */
import { closeSync, openSync, readFileSync } from 'node:fs';

/** An operator may change the limit of a running process (prlimit): it is read again this often, when asked. */
const VALID_MS = 20;

/**
 * And this often while there are connections, in milliseconds: with no file left none gets so far as to
 * ask.
 */
const LOOK_MS = 250;

const NOTHING = '/dev/null';

/**
 * Keeps one file open for the case that there is no other left. The addon would try for ever to accept
 * the connections that wait; with the spare file given back it can, and whoever counts them closes them.
 */
export class OpenFiles {
  readonly #readLimit: () => number;
  #limit = Number.POSITIVE_INFINITY;
  #isOut = false;
  #keepsSpare = false;
  #spare: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(readLimit = openFileLimit) {
    this.#readLimit = readLimit;
  }

  /** Keeps a spare file from now on. */
  start(): void {
    this.#keepsSpare = true;
    this.#look();
  }

  /** Looks by itself from now on. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Looks no more by itself: a server with nobody there sleeps. */
  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.rest();
    this.#keepsSpare = false;
    this.#giveBackSpare();
  }

  /** As last read, which needs a file. Infinity where it cannot be read at all (not Linux). */
  get limit(): number {
    if (performance.now() - this.#lookedAt > VALID_MS) this.#look();
    return this.#limit;
  }

  /** True when there is none left but the spare one. */
  get isOut(): boolean {
    return this.#isOut;
  }

  #look(): void {
    this.#lookedAt = performance.now();
    try {
      this.#limit = this.#readLimit();
      this.#isOut = false;
      if (this.#keepsSpare) this.#spare ??= takeSpare();
    } catch (error) {
      if (!isOutOfFiles(error)) return;
      this.#isOut = true;
      this.#giveBackSpare();
    }
  }

  #giveBackSpare(): void {
    if (this.#spare !== undefined) closeSync(this.#spare);
    this.#spare = undefined;
  }
}

// Not the last file there is: the next connection is to find one, or it waits for ever.
function takeSpare(): number | undefined {
  const spare = openSync(NOTHING, 'r');
  try {
    closeSync(openSync(NOTHING, 'r'));
    return spare;
  } catch {
    closeSync(spare);
    return undefined;
  }
}

const isOutOfFiles = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');

/** @throws when no file is left to read it from */
function openFileLimit(): number {
  const line = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'));
  return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
}
