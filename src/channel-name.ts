/** What a channel or a user may be called. The same rule for tokens, emits and look-ups. */
import { TidingsError } from './errors.ts';

/** Longest channel name or user id, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 256;

/** The recipient that stands for every user of a channel. It is nobody's identity. */
export const EVERYONE = '*';

// Control characters (Cc), invisible format characters such as U+200B and U+202E (Cf), lone
// surrogates (Cs), and the two Unicode line ends: none can be seen in a log or told apart by eye.
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

/** Says what is wrong with a name, or `undefined` when it is allowed. */
export function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'must be a string';
  if (name === '') return 'must not be empty';
  if (name.length > MAX_NAME_BYTES || Buffer.byteLength(name) > MAX_NAME_BYTES)
    return `must be at most ${MAX_NAME_BYTES} bytes`;
  if (FORBIDDEN.test(name)) return 'must not contain control or invisible characters';
  return undefined;
}

/** @throws TidingsError `FIELD_MISSING` or `FIELD_INVALID`, naming the field. */
export function checkName(field: string, name: unknown): string {
  if (name === undefined) throw new TidingsError('FIELD_MISSING', `${field} is missing`);
  const fault = nameFault(name);
  if (fault !== undefined) throw new TidingsError('FIELD_INVALID', `${field} ${fault}`);
  return own(name as string);
}

// V8 makes substrings of 13 characters and more as views of the text they come from: kept with an
// entry, a name would keep the whole body of its request.
const own = (name: string): string => (name.length < 13 ? name : Buffer.from(name).toString());
