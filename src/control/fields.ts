/** The fields of a request, whether they came as a form, in the query or as JSON. */
import { isUtf8 } from 'node:buffer';
import { TidingsError } from '../errors.ts';
import { type FormField, parseForm } from './form.ts';
import { elementSources, memberSource } from './json-source.ts';
import { checkContentEncoding, parseMediaType, unsupported } from './media-type.ts';
import { parseMultipart } from './multipart.ts';

/** Objects in a JSON array at most: all of them are one piece of work. */
export const MAX_LIST_LENGTH = 10_000;

/** What a request says besides its body; each is empty when absent. */
export interface RequestHead {
  readonly contentType: string;
  readonly contentEncoding: string;
  /** Without `?`, not percent-decoded. */
  readonly query: string;
}

export interface Fields {
  /** A form has only text: numbers come as digits, structures not at all. */
  readonly isForm: boolean;
  /**
   * By name; a field repeated in a form, or a JSON array, is an array. Never inherited properties, and
   * null only for `data`, where it is a value like any other.
   */
  readonly values: Pick<ReadonlyMap<string, unknown>, 'get'>;
  /** A value of a JSON body as it was written, undefined when absent. @throws `FIELD_INVALID` when too deep */
  sourceOf(name: string): string | undefined;
}

/**
 * Fields in the query are fields of the form, and repeat those of its body. JSON has its own alone.
 * @throws TidingsError `MEDIA_TYPE_UNSUPPORTED`, `BODY_MALFORMED` or, for a file, `FIELD_INVALID`
 */
export function parseFields(head: RequestHead, body: Buffer): Fields {
  const fields = parseFieldsOrList(head, body);
  if (!('length' in fields)) return fields;
  throw new TidingsError('BODY_MALFORMED', 'the body must be one JSON object');
}

/** The same, but JSON may also be an array of objects. */
export function parseFieldsOrList(
  { contentType, contentEncoding, query }: RequestHead,
  body: Buffer,
): Fields | readonly Fields[] {
  checkContentEncoding(contentEncoding);
  const { name, boundary } = parseMediaType(contentType);
  if (body.length === 0 && (query !== '' || name === '')) return formFields(query, []);
  if (name === 'application/x-www-form-urlencoded')
    return formFields(query, parseForm(decode(body)));
  if (name === 'application/json') return jsonFieldsOrList(decode(body));
  if (name === 'multipart/form-data')
    return formFields(query, parseMultipart(decode(body), boundary));
  throw unsupported(
    'send the fields as application/x-www-form-urlencoded, multipart/form-data or application/json',
  );
}

/** Strict, since two names must never become one; without the BOM that some editors put first. */
function decode(body: Buffer): string {
  if (!isUtf8(body))
    throw new TidingsError('BODY_MALFORMED', 'the body is not UTF-8: encode its text as UTF-8');
  const text = body.toString('utf8');
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

// PHP writes the values of an array as name[0], name[1], or name[].
const INDEX = /\[\d{0,10}\]$/;

function formFields(query: string, inBody: readonly FormField[]): Fields {
  const fields = query === '' ? inBody : [...queryFields(query), ...inBody];
  const values = new Map<string, string | string[]>();
  for (const [fullName, value] of fields) {
    const name = fullName.endsWith(']') ? fullName.replace(INDEX, '') : fullName;
    const present = values.get(name);
    if (present === undefined) values.set(name, value);
    else if (Array.isArray(present)) present.push(value);
    else values.set(name, [present, value]);
  }
  return { isForm: true, values, sourceOf: noSource };
}

const noSource = (): undefined => undefined;

// The addon decodes queries itself, with loss; percent-encoded U+FFFD is not concerned.
function queryFields(query: string): FormField[] {
  if (query.includes('\uFFFD'))
    throw new TidingsError('BODY_MALFORMED', 'the query is not UTF-8: percent-encode its text');
  return parseForm(query);
}

/** Fields of a line of NDJSON. @throws TidingsError `BODY_MALFORMED` */
export function parseLine(text: string): Fields {
  const fields = jsonFields(parseJson(text, 'line'), () => text);
  if (fields !== undefined) return fields;
  throw new TidingsError('BODY_MALFORMED', 'the line must be one JSON object');
}

function jsonFieldsOrList(text: string): Fields | readonly Fields[] {
  const value = parseJson(text, 'body');
  if (Array.isArray(value)) return listFields(value, text);
  const fields = jsonFields(value, () => text);
  if (fields !== undefined) return fields;
  throw new TidingsError('BODY_MALFORMED', 'the body must be one JSON object');
}

function listFields(list: readonly unknown[], text: string): readonly Fields[] {
  if (list.length === 0 || list.length > MAX_LIST_LENGTH)
    throw new TidingsError('BODY_MALFORMED', `an array must have 1 to ${MAX_LIST_LENGTH} objects`);
  let sources: readonly string[] | undefined;
  const sourceOf = (index: number): string => {
    sources ??= elementSources(text);
    return sources[index]!;
  };
  return list.map((value, index) => {
    const fields = jsonFields(value, () => sourceOf(index));
    if (fields !== undefined) return fields;
    throw new TidingsError('BODY_MALFORMED', `item ${index + 1} must be a JSON object`);
  });
}

function jsonFields(value: unknown, source: () => string): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new JsonFields(value, source);
}

/** Hot path: for every line of an upload. */
class JsonFields implements Fields {
  readonly isForm = false;
  readonly #members: object;
  readonly #source: () => string;

  constructor(members: object, source: () => string) {
    this.#members = members;
    this.#source = source;
  }

  get values(): this {
    return this;
  }

  get(name: string): unknown {
    if (!Object.hasOwn(this.#members, name)) return undefined;
    const value: unknown = Reflect.get(this.#members, name);
    return value === null && name !== 'data' ? undefined : value;
  }

  sourceOf(name: string): string | undefined {
    return memberSource(this.#source(), name);
  }
}

function parseJson(text: string, what: 'body' | 'line'): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidingsError('BODY_MALFORMED', `the ${what} is not JSON`, { cause });
  }
}

/** The values of a field that may be given once or several times. @throws `FIELD_MISSING`, `FIELD_INVALID` */
export function valuesOf(fields: Fields, name: string, max: number): readonly unknown[] {
  const value = fields.values.get(name);
  if (value === undefined) throw new TidingsError('FIELD_MISSING', `${name} is missing`);
  const values: unknown[] = Array.isArray(value) ? value : [value];
  if (values.length > 0 && values.length <= max) return values;
  throw new TidingsError('FIELD_INVALID', `${name} must have 1 to ${max} values`);
}

/** The value of a field that must be text, undefined when absent. @throws `FIELD_INVALID` */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields.values.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'string')
    throw new TidingsError('FIELD_INVALID', `${name} must be given once, as a string`);
  // Only an escape in JSON can make one: bytes were checked.
  if (!fields.isForm && LONE_SURROGATE.test(value))
    throw new TidingsError(
      'FIELD_INVALID',
      `${name} holds half a surrogate pair: send whole characters`,
    );
  return value;
}

const LONE_SURROGATE = /\p{Cs}/u;
