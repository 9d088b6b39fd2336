/**
 * The marker in every event: `@RRPPSSSSSSSSTTTTTTTTTTTTTTTT`, hexadecimal: run, publisher, sequence number,
 * monotonic nanoseconds. It survives any framing a server puts around it, so one reader serves every peer.
 */

export const MARKER_BYTES = 29;
export const MARKER_START = 0x40;

const RUN = { at: 1, digits: 2 };
const PUBLISHER = { at: 3, digits: 2 };
const SEQUENCE = { at: 5, digits: 8 };
const TIME = { at: 13, digits: 8 };
const TIME_LOW = { at: 21, digits: 8 };
const TWO_TO_32 = 2 ** 32;

/** The monotonic clock that all threads and processes of the machine share, in nanoseconds. */
export const nowNs = (): number => Number(process.hrtime.bigint());

const hexOf = (value: number, digits: number): string =>
  Math.floor(value).toString(16).padStart(digits, '0');

export interface Marker {
  readonly run: number;
  readonly publisher: number;
  readonly sequence: number;
  /** When the event was due to be published. */
  readonly stamp: number;
}

export const markerText = ({ run, publisher, sequence, stamp }: Marker): string =>
  `@${hexOf(run, 2)}${hexOf(publisher, 2)}${hexOf(sequence, 8)}${hexOf(stamp, 16)}`;

/** The value of every byte as a hexadecimal digit; other bytes count as 0, and their marker as a stray one. */
const DIGITS = new Uint8Array(256);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

const ZERO = 0x30;

export const isHexDigit = (byte: number): boolean => byte === ZERO || DIGITS[byte] !== 0;

function hex(bytes: Uint8Array, start: number, digits: number): number {
  let value = 0;
  for (let i = start; i < start + digits; i++) value = (value << 4) | DIGITS[bytes[i]!]!;
  return value >>> 0;
}

/* Hot path, all of these: once per delivery. `at` is the position of the `@`. */

export const runAt = (bytes: Uint8Array, at: number): number => hex(bytes, at + RUN.at, RUN.digits);

export const publisherAt = (bytes: Uint8Array, at: number): number =>
  hex(bytes, at + PUBLISHER.at, PUBLISHER.digits);

export const sequenceAt = (bytes: Uint8Array, at: number): number =>
  hex(bytes, at + SEQUENCE.at, SEQUENCE.digits);

/** A double holds 104 days of nanoseconds exactly; after that the last bit is rounded. */
export const stampAt = (bytes: Uint8Array, at: number): number =>
  hex(bytes, at + TIME.at, TIME.digits) * TWO_TO_32 + hex(bytes, at + TIME_LOW.at, TIME_LOW.digits);
