/** The fields of a request body, whether it came as a form or as JSON. */
import { TidingsError } from './errors.ts';

export interface Fields {
  /** A form has only text: numbers come as digits, structures not at all. */
  readonly isForm: boolean;
  /** By name; a field repeated in a form, or a JSON array, is an array. Never inherited properties. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** @throws TidingsError `MEDIA_TYPE_UNSUPPORTED` or `BODY_MALFORMED` */
export function parseFields(contentType: string, body: Buffer): Fields {
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  // Bytes that are not UTF-8 become U+FFFD: what goes out on streams is always valid.
  if (type === 'application/x-www-form-urlencoded') return formFields(body.toString('utf8'));
  if (type === 'application/json') return jsonFields(body.toString('utf8'));
  throw new TidingsError(
    'MEDIA_TYPE_UNSUPPORTED',
    'send the fields as application/x-www-form-urlencoded or application/json',
  );
}

function formFields(text: string): Fields {
  const values = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const present = values.get(name);
    if (present === undefined) values.set(name, value);
    else if (Array.isArray(present)) present.push(value);
    else values.set(name, [present, value]);
  }
  return { isForm: true, values };
}

function jsonFields(text: string): Fields {
  const value = parseJson(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { isForm: false, values: new Map(Object.entries(value)) };
  throw new TidingsError('BODY_MALFORMED', 'the body must be one JSON object');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidingsError('BODY_MALFORMED', 'the body is not JSON', { cause });
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
  if (value === undefined || typeof value === 'string') return value;
  throw new TidingsError('FIELD_INVALID', `${name} must be given once, as a string`);
}
