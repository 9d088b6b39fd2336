/** The document of a server, and JSON Schema to check it and what it describes with. */
import {
  registerSchema,
  unregisterSchema,
  type Validator,
  validate,
} from '@hyperjump/json-schema/openapi-3-2';
import { NAME_PATTERN } from '../../src/auth/names.ts';
import type { Owner } from './sse-client.ts';

const DIALECT = 'https://spec.openapis.org/oas/3.2/schema-base';

type Instance = Parameters<Validator>[0];

/** Foreign or our own, as the validator wants it. */
const instanceOf = (value: unknown): Instance => JSON.parse(JSON.stringify(value)) as Instance;

export interface ContractSchema {
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly title?: string;
  readonly properties?: Readonly<Record<string, ContractSchema>>;
  readonly oneOf?: readonly ContractSchema[];
  readonly contentSchema?: object;
  readonly enum?: readonly string[];
}

export interface Contract {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, ContractSchema>> };
}

export async function contractOf(controlUrl: string, headers = {}): Promise<Contract> {
  const response = await fetch(`${controlUrl}/openapi.json`, { headers });
  return (await response.json()) as Contract;
}

/** What the official schema of OpenAPI 3.2 finds wrong; empty when it is a document of 3.2. */
export async function faultsOf(document: object): Promise<readonly unknown[]> {
  const output = await validate(DIALECT, instanceOf(document), 'BASIC');
  return output.valid ? [] : (output.errors ?? ['invalid']);
}

let count = 0;

/** Whether values are as a schema of the document says, by its JSON pointer. */
export function checkerOf(t: Owner, document: object) {
  const uri = `https://tidings.example/${count++}.json`;
  registerSchema(document as Parameters<typeof registerSchema>[0], uri, DIALECT);
  t.after(() => unregisterSchema(uri));
  return async (pointer: string, value: unknown): Promise<boolean> =>
    (await validate(`${uri}#${pointer}`, instanceOf(value))).valid;
}

/**
 * The document with the pattern of names spelt out, code point by code point: Python's regular
 * expressions, from which schemathesis makes its values, know no properties of Unicode. With
 * `maxLength` names and events have so many characters at most, since their limit is one of bytes.
 */
export function forSchemathesis(document: Contract, maxLength?: number): Contract {
  const inClass = /\[\^(.*?)\]/.exec(NAME_PATTERN)![1]!;
  const pattern = NAME_PATTERN.replaceAll(inClass, rangesOf(new RegExp(`[${inClass}]`, 'u')));
  const asParameter = (one: Parameter): Parameter => {
    if (one.explode === false) return { ...one, schema: listOf(pattern) };
    return one.in === 'header' ? { ...one, schema: HEADER } : one;
  };
  return JSON.parse(JSON.stringify(document), (key, value: unknown) => {
    if (key === 'pattern' && value === NAME_PATTERN) return pattern;
    // It makes texts of several patterns by throwing away others, and takes minutes for it.
    if (key === 'allOf' && isOfPatterns(value)) return undefined;
    // What an answer has given, nobody can make up.
    if (key === 'parameters' && Array.isArray(value))
      return (value as Parameter[]).filter(({ name }) => name !== 'cursor').map(asParameter);
    return key === 'maxLength' && maxLength !== undefined ? maxLength : value;
  }) as Contract;
}

const isOfPatterns = (parts: unknown): boolean =>
  Array.isArray(parts) && parts.every((part: object) => Object.keys(part).join() === 'pattern');

/** Out of a pattern that says more it makes headers that no server answers. */
const HEADER = { type: 'string', pattern: '^[ \\t]*[!-~]{0,256}[ \\t]*([^\\x00-\\x7f].*)?$' };

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly explode?: boolean;
  readonly schema?: object;
}

/** Names that commas are put between have none themselves. */
const listOf = (pattern: string): object => ({
  type: 'array',
  minItems: 1,
  items: { type: 'string', minLength: 1, maxLength: 20, pattern: pattern.replaceAll('[^', '[^,') },
});

function rangesOf(characters: RegExp): string {
  let ranges = '';
  let from = -1;
  for (let code = 0; code <= 0x110000; code += 1) {
    const isIn = code < 0x110000 && !isSurrogate(code) && characters.test(text(code));
    if (isIn && from < 0) from = code;
    if (isIn || from < 0) continue;
    ranges += from === code - 1 ? text(from) : `${text(from)}-${text(code - 1)}`;
    from = -1;
  }
  return ranges;
}

const isSurrogate = (code: number): boolean => code >= 0xd800 && code < 0xe000;
const text = (code: number): string => String.fromCodePoint(code);
