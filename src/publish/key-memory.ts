/**
 * The keys of emits, from their last use on for at least a given time, in two generations: a key that is
 * used moves into the young one; when that is old enough, or large enough, it takes the place of the
 * old one, which is forgotten. So keys that were not used for longest go first.
 */
import type { DumpedKey, KeysDump } from '../log/dump.ts';
import { type Done, Upload } from './upload.ts';

/** What a key costs besides its characters, in bytes. */
const KEY_BYTES = 200;

/** An event that was emitted once, or the lines of an upload. */
export type Remembered = Done | Upload;

/** Why keys that were used within the time may be unknown: the server is new, or memory was short. */
export type ShortWindow = 'reset' | 'short';

export interface KeyMemoryOptions {
  /** A key is remembered for so long after its last use at least, and up to twice as long. */
  readonly seconds: number;
  /** For all keys; when they need more, the older half goes earlier. */
  readonly budgetBytes: number;
  /** Seconds of a monotonic clock. */
  readonly now?: () => number;
}

class Generation {
  readonly keys = new Map<string, Remembered>();
  readonly since: number;
  bytes = 0;

  constructor(since: number) {
    this.since = since;
  }
}

export class KeyMemory {
  readonly #options: KeyMemoryOptions;
  readonly #now: () => number;
  #young: Generation;
  #old: Generation;
  /** Every key that was used since then is known. */
  #knownSince: number;
  #why: ShortWindow = 'reset';
  #onBytes: (bytes: number) => void = () => {};

  constructor(options: KeyMemoryOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now() / 1_000);
    this.#knownSince = this.#now();
    this.#young = new Generation(this.#knownSince);
    this.#old = new Generation(this.#knownSince);
  }

  get bytes(): number {
    return this.#young.bytes + this.#old.bytes;
  }

  /** Tells from now on how many bytes all keys take. */
  tellBytes(tell: (bytes: number) => void): void {
    this.#onBytes = tell;
    tell(this.bytes);
  }

  /** An upload may take so many bytes at most. */
  get uploadBytes(): number {
    return this.#options.budgetBytes / 4;
  }

  /** Seconds back to which every key that was used is known. */
  get reachSeconds(): number {
    return this.#now() - this.#knownSince;
  }

  /** Undefined when all keys are known that were used within the time. */
  get shortWindow(): ShortWindow | undefined {
    return this.reachSeconds < this.#options.seconds ? this.#why : undefined;
  }

  /** What is remembered, and for as long again from now on. */
  use(name: string): Remembered | undefined {
    this.#turn();
    const known = this.#young.keys.get(name);
    if (known !== undefined) return known;
    const older = this.#old.keys.get(name);
    if (older === undefined) return undefined;
    this.#old.keys.delete(name);
    this.#old.bytes -= bytesOf(name, older);
    this.set(name, older);
    return older;
  }

  /** What is remembered of a key that is in use. */
  get(name: string): Remembered | undefined {
    return this.#young.keys.get(name);
  }

  /** In place of what was remembered. */
  set(name: string, remembered: Remembered): void {
    this.forget(name);
    this.#young.keys.set(name, remembered);
    this.#add(bytesOf(name, remembered));
  }

  /** An upload that is in use has grown by so many bytes. */
  grown(bytes: number): void {
    if (bytes > 0) this.#add(bytes);
  }

  forget(name: string): void {
    const known = this.#young.keys.get(name);
    if (known === undefined) return;
    this.#young.keys.delete(name);
    this.#add(-bytesOf(name, known));
  }

  dump(): KeysDump {
    const now = this.#now();
    return {
      ages: {
        young: now - this.#young.since,
        old: now - this.#old.since,
        known: now - this.#knownSince,
      },
      keys: dumped([this.#young, this.#old]),
    };
  }

  /** Takes over what another process knew; before anything else. */
  restore({ ages, keys }: KeysDump): void {
    const now = this.#now();
    this.#young = new Generation(now - ages.young);
    this.#old = new Generation(now - ages.old);
    this.#knownSince = now - ages.known;
    for (const key of keys) {
      const generation = key.isOld ? this.#old : this.#young;
      const remembered = 'n' in key ? key : uploadOf(key);
      generation.keys.set(key.key, remembered);
      generation.bytes += bytesOf(key.key, remembered);
    }
    this.#add(0);
  }

  /** Forgets all, as after a start. */
  clear(): void {
    this.#knownSince = this.#now();
    this.#young = new Generation(this.#knownSince);
    this.#old = new Generation(this.#knownSince);
    this.#add(0);
  }

  #add(bytes: number): void {
    this.#young.bytes += bytes;
    this.#onBytes(this.bytes);
  }

  #turn(): void {
    const age = this.#now() - this.#young.since;
    const { seconds, budgetBytes } = this.#options;
    const isFull = this.#young.bytes > budgetBytes / 2;
    if (age < seconds && !isFull) return;
    const isStale = age >= 2 * seconds;
    if (age < seconds && this.#old.keys.size > 0) this.#why = 'short';
    // Of what is forgotten nothing was used since then.
    const usedUntil = isStale ? this.#now() - seconds : this.#young.since;
    if (isStale || this.#old.keys.size > 0)
      this.#knownSince = Math.max(this.#knownSince, usedUntil);
    this.#old = isStale ? new Generation(this.#now()) : this.#young;
    this.#young = new Generation(this.#now());
    this.#add(0);
  }
}

const bytesOf = (name: string, remembered: Remembered): number =>
  KEY_BYTES + 2 * name.length + (remembered instanceof Upload ? remembered.bytes : 0);

function* dumped(generations: readonly Generation[]): Generator<DumpedKey> {
  for (const [index, { keys }] of generations.entries())
    for (const [key, remembered] of keys) {
      const isOld = index > 0;
      if (remembered instanceof Upload) {
        const { runs, fingerprints } = remembered;
        yield { key, isOld, runs, fingerprints: [...fingerprints] };
      } else if (remembered.n > 0) {
        const { fingerprint, n } = remembered;
        yield { key, isOld, fingerprint, n };
      }
    }
}

function uploadOf({ runs, fingerprints }: Extract<DumpedKey, { runs: unknown }>): Upload {
  const upload = new Upload();
  let at = 0;
  for (const [line, lines, n] of runs)
    for (let i = 0; i < lines; i += 1)
      upload.set(line + i, { fingerprint: fingerprints[at++] ?? 0, n: n + i });
  return upload;
}
