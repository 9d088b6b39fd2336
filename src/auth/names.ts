/** What a channel or a user may be called. The same rule for tokens, emits and look-ups. */
import { TidingsError } from '../errors.ts';
import { isPrefix, levelsOf, MAX_PREFIX_LEVELS } from '../log/prefix.ts';

/** Longest channel name or user id, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 256;

/** The recipient that stands for every user of a channel. It is nobody's identity. */
export const EVERYONE = '*';

// What cannot be seen in a log or told apart by eye: control and format characters (Cc, Cf), what
// Unicode tells renderers to leave out (Default_Ignorable_Code_Point, such as U+FE0F and U+3164), and
// white space other than a plain space between others. Lone surrogates (Cs) and U+FFFD are what a
// lossy decoder makes of different names, here or in the backend.
const HIDDEN = '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\p{White_Space}\\uFFFD';

/** All of a name but its length in bytes, as a pattern of JSON Schema and so of ECMAScript with `u`. */
export const NAME_PATTERN = `^[^${HIDDEN}]+(?: +[^${HIDDEN}]+)*$`;

const ALLOWED = new RegExp(NAME_PATTERN, 'u');

// What nearly all names are, and ten times as fast to see.
const PLAIN = /^[!-~]+$/;

/** Says what is wrong with a name, or `undefined` when it is allowed. */
export function nameFault(name: unknown): string | undefined {
  if (typeof name === 'number') return NUMBER_FAULT;
  if (typeof name !== 'string') return 'must be a string';
  if (name.length <= MAX_NAME_BYTES && PLAIN.test(name)) return undefined;
  if (name === '') return 'must not be empty';
  if (name.length > MAX_NAME_BYTES || Buffer.byteLength(name) > MAX_NAME_BYTES)
    return `must be at most ${MAX_NAME_BYTES} bytes`;
  if (!ALLOWED.test(name))
    return 'must not contain control or invisible characters, U+FFFD, or spaces but plain ones inside';
  return undefined;
}

/** Says what is wrong with a name as a channel of a token, which may be a prefix. */
export function tokenChannelFault(name: unknown): string | undefined {
  const fault = nameFault(name);
  if (fault !== undefined) return fault;
  if (name === EVERYONE) return ALL_CHANNELS_FAULT;
  if (!isPrefix(name as string) || levelsOf(name as string) <= MAX_PREFIX_LEVELS) return undefined;
  return `must have at most ${MAX_PREFIX_LEVELS} slashes when it ends in /*`;
}

/** Says what is wrong with a name as a channel of an emit. */
export function emitChannelFault(name: string): string | undefined {
  if (name === EVERYONE) return ALL_CHANNELS_FAULT;
  if (!isPrefix(name)) return undefined;
  return 'must not end in /*: that is for tokens, which take what is emitted to the channels below';
}

const ALL_CHANNELS_FAULT =
  'must not be a lone *: name the channels, or in a token what they begin with, as in orders/*';

/** A whole number that a double holds exactly stands for its decimal digits: 42 is the user "42". */
export const numberAsName = (value: unknown): unknown =>
  Number.isSafeInteger(value) ? String(value) : value;

/**
 * A name as a body gives it: text, or a whole number.
 * @throws TidingsError `FIELD_MISSING` or `FIELD_INVALID`, naming the field
 */
export function checkName(field: string, value: unknown): string {
  if (value === undefined) throw new TidingsError('FIELD_MISSING', `${field} is missing`);
  const name = numberAsName(value);
  const fault = nameFault(name);
  if (fault === undefined) return ownText(name as string);
  throw new TidingsError('FIELD_INVALID', `${field} ${fault}`);
}

const NUMBER_FAULT = 'as a number must be whole and at most 9007199254740991: give it as a string';

/**
 * A text that is to be kept. V8 makes substrings of 13 characters and more as views of the text they come
 * from: kept with an entry, a name would keep the whole body of its request.
 */
export const ownText = (name: string): string =>
  name.length < 13 ? name : Buffer.from(name).toString();
