/**
 * Event ids: `<epoch>-<n>`. `n` counts over all channels, so one id places a stream on every channel
 * it has; the epoch changes whenever counting starts anew, so an old id is never mistaken for a new
 * one. Only `[a-z0-9-]`: bytes that a browser may send back in `Last-Event-ID` without a preflight
 * (Fetch, CORS-unsafe request-header bytes).
 */

/** A new epoch: the time in base36, then randomness against two starts in one millisecond. */
export function newEpoch(now: () => number = Date.now, random: () => number = Math.random): string {
  const noise = Math.floor(random() * 36 ** 3);
  return now().toString(36) + noise.toString(36).padStart(3, '0');
}

/** The text of a number's last three digits. */
const DIGITS = Array.from({ length: 1_000 }, (_, n) => `${n}`.padStart(3, '0'));

/**
 * Hot path. V8 remembers the text of the newest thousands of numbers: with one number an event each text
 * would live just long enough to become an old object. The thousands change a thousand times less often.
 */
export function formatEventId(epoch: string, n: number): string {
  if (n < 1_000) return `${epoch}-${n}`;
  const last = n % 1_000;
  return `${epoch}-${(n - last) / 1_000}${DIGITS[last]}`;
}

/** Longest id that is looked at; ours are below 40 characters. */
export const MAX_ID_LENGTH = 64;

/** Characters of an epoch at most, so that an id with the largest number is looked at. */
const MAX_EPOCH_LENGTH = MAX_ID_LENGTH - '-'.length - 15;

/** Whether this could be the epoch of an id. */
export const isEpoch = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_EPOCH_LENGTH && /^[a-z0-9]+$/.test(value);

/** The parts of an id, or undefined for what we cannot have sent. */
export function parseEventId(id: string): { epoch: string; n: number } | undefined {
  const match = id.length > MAX_ID_LENGTH ? null : /^([a-z0-9]+)-(0|[1-9]\d{0,14})$/.exec(id);
  return match === null ? undefined : { epoch: match[1]!, n: Number(match[2]) };
}
