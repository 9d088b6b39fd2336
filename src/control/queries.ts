/** What requests that list something say in their query. */
import { checkName } from '../auth/names.ts';
import { TidingsError } from '../errors.ts';
import { MAX_ROWS_PER_PAGE } from '../hub/pages.ts';
import { type Fields, parseFields, textOf } from './fields.ts';

/** Rows in a page that does not say how many. */
const DEFAULT_ROWS = 100;

const NO_BODY = Buffer.alloc(0);

/** The fields of a query. @throws TidingsError `BODY_MALFORMED` when it is not UTF-8 */
export const queryFields = (query: string): Fields =>
  parseFields({ contentType: '', contentEncoding: '', query }, NO_BODY);

/** @throws TidingsError `FIELD_INVALID` */
export function limitOf(fields: Fields): number {
  const text = textOf(fields, 'limit');
  if (text === undefined) return DEFAULT_ROWS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_ROWS_PER_PAGE) return limit;
  throw invalid(`limit must be a whole number from 1 to ${MAX_ROWS_PER_PAGE}`);
}

/** One of a few words, the first when absent. @throws TidingsError `FIELD_INVALID` */
export function choiceOf<T extends string>(
  fields: Fields,
  name: string,
  choices: readonly [T, ...T[]],
): T {
  const text = textOf(fields, name) ?? choices[0];
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw invalid(`${name} must be one of ${choices.join(', ')}`);
}

/** A name that may be left out. @throws TidingsError `FIELD_INVALID` */
export function nameIn(fields: Fields, field: string): string | undefined {
  const value = fields.values.get(field);
  return value === undefined ? undefined : checkName(field, value);
}

/** Where a page ended, as text for its reader to send back. */
export const cursorFor = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

/** What `cursorFor` was given; undefined when absent. @throws TidingsError `FIELD_INVALID` */
export function cursorIn<T>(
  fields: Fields,
  isFitting: (value: unknown) => value is T,
): T | undefined {
  const text = textOf(fields, 'cursor');
  if (text === undefined || text === '') return undefined;
  const value = parsed(Buffer.from(text, 'base64url').toString());
  if (isFitting(value)) return value;
  throw invalid('cursor must be the "next" of the page before, with the same sort');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told by who asked
  }
}

export const isText = (value: unknown): value is string => typeof value === 'string';

export const invalid = (message: string): TidingsError =>
  new TidingsError('FIELD_INVALID', message);
