/**
 * The lines of a snapshot, one JSON value each: the head, evictions as arrays, entries and keys as objects, and
 * last a sum over all bytes before it. What is read is checked, never believed: a file may be damaged,
 * come from another version, or be something else altogether.
 */
import { nameFault } from '../auth/names.ts';
import { MAX_REVOCATIONS, type Revocation } from '../hub/revocations.ts';
import type { Dump, DumpedEntry, DumpedKey, KeysDump } from '../log/dump.ts';
import type { Eviction } from '../log/evictions.ts';
import { type Epoch, MAX_EPOCHS } from '../log/lineage.ts';
import { isEpoch } from '../wire/event-id.ts';

/** Changes when the lines do. Formats 1, and 2, which has no keys, are read too. */
export const FORMAT = 3;

/**
 * Largest head that is taken over. An id has at most 15 digits; what is left of them lasts 13 years at
 * a million events a second.
 */
export const MAX_HEAD = 2 ** 49;

/** What is in the file is not a whole snapshot that this version reads. */
export class UnusableSnapshot extends Error {}

/** What a hub knows, and what is kept beside it. */
export interface Snapshot extends Dump {
  readonly revocations: readonly Revocation[];
  /** Of emits, to be read last; undefined: from a version that knew none. */
  readonly keys?: KeysDump | undefined;
  /** Webhooks that were not taken; undefined: from a version that did not count them. */
  readonly missedWebhooks?: number | undefined;
}

/** The first line. */
export interface Head extends Omit<Snapshot, 'evictions' | 'entries' | 'keys'> {
  readonly format: number;
  /** Unix seconds of the writing. */
  readonly time: number;
  /** Of format 1, which has them in its head. */
  readonly evictions: readonly Eviction[];
  /** Undefined: there are no keys. */
  readonly keyAges: KeysDump['ages'] | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws UnusableSnapshot */
export function parseHead(value: unknown): Head {
  const fields = isObject(value) ? value : {};
  const { format, time, head, evictedElsewhere } = fields;
  if (format !== 1 && format !== 2 && format !== FORMAT)
    throw new UnusableSnapshot(`it is not a snapshot of format 1 to ${FORMAT}`);
  if (!isAmount(time) || !isNumber(head, 0, MAX_HEAD) || !isNumber(evictedElsewhere, 0, head))
    throw new UnusableSnapshot('its first line has numbers that cannot be');
  const { missedWebhooks } = fields;
  if (missedWebhooks !== undefined && !isNumber(missedWebhooks, 0, Number.MAX_SAFE_INTEGER))
    throw new UnusableSnapshot('its first line has a count of webhooks that cannot be');
  const epochs = format === 1 ? [{ epoch: fields['epoch'], head }] : fields['epochs'];
  const evictions = format === 1 ? parseEvictedThrough(fields['evictedThrough'], head) : [];
  return {
    format,
    time,
    head,
    evictedElsewhere,
    evictions,
    epochs: parseEpochs(epochs, head),
    revocations: parseRevocations(fields['revocations'] ?? []),
    keyAges: parseKeyAges(fields['keyAges']),
    missedWebhooks,
  };
}

// Versions that knew of none have written none.
function parseRevocations(value: unknown): Revocation[] {
  if (!Array.isArray(value) || value.length > MAX_REVOCATIONS)
    throw new UnusableSnapshot(`it has not at most ${MAX_REVOCATIONS} revocations`);
  return value.map((item: unknown) => {
    const { kind, name, issuedBefore, until }: Fields = isObject(item) ? item : {};
    if (
      (kind === 'user' || kind === 'token') &&
      typeof name === 'string' &&
      isAmount(issuedBefore) &&
      isAmount(until)
    )
      return { kind, name, issuedBefore, until };
    throw new UnusableSnapshot('it has a revocation that cannot be');
  });
}

function parseKeyAges(value: unknown): Head['keyAges'] {
  if (value === undefined) return undefined;
  const { young, old, known }: Fields = isObject(value) ? value : {};
  if (isAmount(young) && isAmount(old) && isAmount(known)) return { young, old, known };
  throw new UnusableSnapshot('its first line has ages of keys that cannot be');
}

// Format 1 knows through which number a channel has evicted, not whose entries they were.
function parseEvictedThrough(value: unknown, head: number): Eviction[] {
  if (!isObject(value)) throw new UnusableSnapshot('its first line has no "evictedThrough"');
  return Object.entries(value).map(([name, n]) => parseEviction([name, null, n], head));
}

function parseEpochs(value: unknown, head: number): Epoch[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_EPOCHS)
    throw new UnusableSnapshot(`its first line has not 1 to ${MAX_EPOCHS} epochs`);
  let least = 0;
  return value.map((item: unknown) => {
    const fields: Fields = isObject(item) ? item : {};
    const { epoch, head: own } = fields;
    if (!isEpoch(epoch) || !isNumber(own, least, head))
      throw new UnusableSnapshot('its first line has an epoch that cannot be');
    least = own;
    return { epoch, head: own };
  });
}

/** @throws UnusableSnapshot */
export function parseEviction(value: unknown, head: number): Eviction {
  const [channel, user, n, ...more]: unknown[] = Array.isArray(value) ? value : [];
  if (
    isName(channel) &&
    (user === null || isName(user)) &&
    isNumber(n, 0, head) &&
    more.length === 0
  )
    return [channel, user, n];
  throw new UnusableSnapshot('it has an eviction that cannot be');
}

/** An entry behind number `after`, up to `head`. @throws UnusableSnapshot */
export function parseEntry(value: unknown, after: number, head: number): DumpedEntry {
  const { n, to, channels, text, age }: Fields = isObject(value) ? value : {};
  if (!isNumber(n, after + 1, head))
    throw new UnusableSnapshot(`it has an entry whose number is not from ${after + 1} to ${head}`);
  if (!isNames(channels) || !(to === null || isName(to) || isNames(to)))
    throw new UnusableSnapshot(`entry ${n} is for names that cannot be`);
  if (typeof text !== 'string' || !text.endsWith('\n\n') || !isAmount(age))
    throw new UnusableSnapshot(`entry ${n} has a text or an age that cannot be`);
  return { n, to, channels, text, age };
}

/** Whether this is a key, and no entry. */
export const isKey = (value: unknown): boolean => isObject(value) && value['key'] !== undefined;

/** A key of events up to `head`. @throws UnusableSnapshot */
export function parseKey(value: unknown, head: number): DumpedKey {
  const { key, isOld, fingerprint, n, runs, fingerprints }: Fields = isObject(value) ? value : {};
  if (typeof key === 'string' && typeof isOld === 'boolean') {
    if (isFingerprint(fingerprint) && isNumber(n, 1, head)) return { key, isOld, fingerprint, n };
    if (isRuns(runs, head) && Array.isArray(fingerprints) && fingerprints.every(isFingerprint)) {
      const lines = runs.reduce((sum, run) => sum + run[1], 0);
      if (lines === fingerprints.length) return { key, isOld, runs, fingerprints };
    }
  }
  throw new UnusableSnapshot('it has a key that cannot be');
}

const isFingerprint = (value: unknown): value is number => isNumber(value, -(2 ** 31), 2 ** 31 - 1);

const isRuns = (value: unknown, head: number): value is [number, number, number][] =>
  Array.isArray(value) &&
  value.every((run: unknown) => {
    const [line, lines, n, ...more]: unknown[] = Array.isArray(run) ? run : [];
    return (
      isNumber(line, 1, Number.MAX_SAFE_INTEGER) &&
      isNumber(n, 1, head) &&
      isNumber(lines, 1, head - n + 1) &&
      more.length === 0
    );
  });

/** The sum of a last line since format 2, the count of one of format 1; undefined for other lines. */
export function parseTail(value: unknown, format: number): string | number | undefined {
  if (format === 1) return typeof value === 'number' ? value : undefined;
  const sum = isObject(value) ? value['sha256'] : undefined;
  return typeof sum === 'string' ? sum : undefined;
}

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNumber = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

/** Seconds, or Unix seconds. JSON has numbers that become Infinity. */
const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

const isName = (value: unknown): value is string => nameFault(value) === undefined;

/** At least one, each once. */
const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every(isName) &&
  new Set(value).size === value.length;
