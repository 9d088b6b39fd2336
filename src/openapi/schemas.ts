/** What several endpoints have in common: names, ids, errors. */
import { MAX_TOKEN_ID_LENGTH } from '../auth/claims.ts';
import { EVERYONE, MAX_NAME_BYTES, NAME_PATTERN } from '../auth/names.ts';
import { ERROR_STATUS } from '../errors.ts';
import { PROBLEM_URN } from '../http/problem.ts';
import { MAX_PREFIX_LEVELS } from '../log/prefix.ts';
import { MAX_ID_LENGTH } from '../wire/event-id.ts';
import { type Part, ref } from './endpoint.ts';

/** Never sent over HTTP: they end a start. */
const NEVER_SENT: readonly string[] = ['CONFIG_INVALID', 'ADDON_UNAVAILABLE'];

/** Every code that an answer may have. */
export const SENT_CODES = Object.keys(ERROR_STATUS).filter((code) => !NEVER_SENT.includes(code));

const CODE: Part = {
  type: 'string',
  description: 'What went wrong. Match on this: the sentences may change.',
  enum: SENT_CODES,
};

const SENTENCE: Part = {
  type: 'string',
  description: 'For people: what is wrong, and what to do.',
};

const PROBLEM_MEMBERS = {
  type: { type: 'string', format: 'uri', pattern: `^${PROBLEM_URN}[A-Z_]+$` },
  title: { type: 'string', description: 'What the code means, whatever the cause.' },
  status: { type: 'integer', minimum: 400, maximum: 599 },
  detail: SENTENCE,
  error: CODE,
  message: SENTENCE,
};

/** The first characters that take two, three and four bytes in UTF-8, and the last of all. */
const WIDE = [
  [2, '\u0080'],
  [3, '\u0800'],
  [4, '\u{10000}'],
] as const;
const LAST = '\u{10ffff}';

/**
 * Text of at most so many bytes of UTF-8, as far as a schema can say that: it has no sums. So a text whose
 * characters are of several lengths may be as it says, and yet too long.
 */
export const bytesAtMost = (max: number): Part => ({
  maxLength: max,
  allOf: WIDE.map(([bytes, first]) => {
    const [wide, narrow] = [`[${first}-${LAST}]`, `[^${first}-${LAST}]`];
    const most = Math.floor(max / bytes);
    return { pattern: `^(?:${narrow}*${wide}){0,${most}}${narrow}*$` };
  }),
});

export const SCHEMAS: Readonly<Record<string, Part>> = {
  Name: {
    type: 'string',
    minLength: 1,
    ...bytesAtMost(MAX_NAME_BYTES),
    pattern: NAME_PATTERN,
    description: `A user or a channel: 1 to ${MAX_NAME_BYTES} bytes of UTF-8 without control or invisible characters, and without spaces but plain ones between others.`,
    examples: ['42', 'orders/eu'],
  },
  NameOrNumber: {
    description: 'A whole number stands for its digits.',
    anyOf: [
      ref('Name'),
      { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    ],
  },
  EventId: {
    type: 'string',
    maxLength: MAX_ID_LENGTH,
    pattern: '^[a-z0-9]+-(0|[1-9][0-9]{0,14})$',
    description: 'The epoch of the server, and the number of the event in it.',
    examples: ['mwsp24sokzi-7'],
  },
  TokenId: {
    type: 'string',
    minLength: 1,
    maxLength: MAX_TOKEN_ID_LENGTH,
    description: 'The `jti` of a token, by which it alone can be revoked.',
  },
  Error: {
    type: 'object',
    required: ['error', 'message'],
    properties: { error: CODE, message: SENTENCE },
  },
  Problem: {
    type: 'object',
    description: 'RFC 9457; for clients whose Accept names the type.',
    required: Object.keys(PROBLEM_MEMBERS),
    properties: PROBLEM_MEMBERS,
  },
};

const but = (name: string, pattern: string, description: string): Part => ({
  allOf: [ref(name), { not: { type: 'string', pattern } }],
  description,
});

/** A channel that can be emitted to; `name` is the schema of names. */
export const emitChannel = (name: string): Part =>
  but(name, '^(.*/)?\\*$', 'Neither a lone `*` nor a prefix, which ends in `/*`.');

/** A channel that a token may name; `name` is the schema of names. */
export const tokenChannel = (name: string): Part =>
  but(
    name,
    `^(([^/]*/){${MAX_PREFIX_LEVELS + 1},})?\\*$`,
    `One that ends in \`/*\` takes all channels below it; it has at most ${MAX_PREFIX_LEVELS} slashes. Not a lone \`*\`.`,
  );

/** A user; `name` is the schema of names. */
export const notEveryone = (name: string): Part => ({
  allOf: [ref(name), { not: { const: EVERYONE } }],
});

/** One of them, or several in an array or by repetition. */
export const oneOrMore = (item: Part, max: number): Part => ({
  anyOf: [item, { type: 'array', items: item, minItems: 1, maxItems: max }],
});

export const COUNT: Part = { type: 'integer', minimum: 0 };

/** Of an answer that does not speak for all nodes. */
export const INCOMPLETE = {
  complete: { const: false, description: 'With -nats: a node did not answer in time.' },
  nodes: { ...COUNT, description: 'Nodes that there are.' },
  answered: { ...COUNT, description: 'Nodes that have answered.' },
} satisfies Readonly<Record<string, Part>>;
