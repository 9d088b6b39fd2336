/** `POST /emit/`, described. */
import { MAX_NAME_BYTES } from '../auth/names.ts';
import { MAX_TOLD_ERRORS } from '../control/bulk-report.ts';
import { MAX_LIST_LENGTH } from '../control/fields.ts';
import {
  MAX_CHANNELS_PER_EMIT,
  MAX_KEY_LENGTH,
  MAX_USERS_PER_EMIT,
  MAX_USERS_PER_RECEIPT,
} from '../control/requests.ts';
import type { ErrorCode } from '../errors.ts';
import { MAX_OFFLINE_TOLD } from '../presence/absentees.ts';
import { SYSTEM_EVENT_PREFIX } from '../wire/frame.ts';
import { answered, type Endpoints, type Facts, type Part, ref } from './endpoint.ts';
import { bytesAtMost, emitChannel, oneOrMore } from './schemas.ts';

const EVENT: Part = {
  type: 'string',
  ...bytesAtMost(MAX_NAME_BYTES),
  // Not `.`: in some dialects it stands for a line end, too.
  pattern: `^(?!${SYSTEM_EVENT_PREFIX.replace('.', '\\.')})[^\\r\\n\\u0000]*$`,
  description: `The name of the event, at most ${MAX_NAME_BYTES} bytes of UTF-8; \`${SYSTEM_EVENT_PREFIX}\` is the server's own.`,
};

const PAYLOAD: Part = {
  type: 'string',
  description: 'Lines of an event stream, sent as they are. Excludes `data` and `event`.',
};

const USERS: Part = {
  ...oneOrMore(ref('NameOrNumber'), MAX_USERS_PER_EMIT),
  description: 'Whom it is for; `*`: everybody on its channels.',
};

const CHANNELS: Part = oneOrMore(emitChannel('NameOrNumber'), MAX_CHANNELS_PER_EMIT);

const KEY: Part = {
  type: 'string',
  pattern: `^[!-~]{1,${MAX_KEY_LENGTH}}$`,
  description: 'Under the same key the event is not emitted again.',
};

const WHOLE_NUMBER: Part = {
  type: 'integer',
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

const absent: Part = { type: 'null' };

// `data` may be null itself; of all other fields null means that they are not there.
const IN_JSON: Part = {
  type: 'object',
  required: ['userId', 'channel'],
  properties: {
    userId: USERS,
    channel: CHANNELS,
    payload: {},
    event: {},
    data: {},
    key: { anyOf: [KEY, WHOLE_NUMBER, absent] },
  },
  oneOf: [
    {
      required: ['payload'],
      properties: { payload: PAYLOAD, event: absent, data: absent },
    },
    {
      required: ['data'],
      properties: {
        payload: absent,
        event: { anyOf: [EVENT, absent] },
        data: { description: 'Text, or any other value, sent as it was written.' },
      },
    },
  ],
  examples: [{ userId: ['42', '43'], channel: 'news', event: 'invoice', data: { paid: true } }],
};

const text: Part = { type: 'string' };

const IN_FORM: Part = {
  type: 'object',
  description: 'userId and channel may be repeated.',
  required: ['userId', 'channel'],
  properties: {
    userId: oneOrMore(ref('Name'), MAX_USERS_PER_EMIT),
    channel: oneOrMore(emitChannel('Name'), MAX_CHANNELS_PER_EMIT),
    payload: PAYLOAD,
    event: EVENT,
    data: text,
    key: KEY,
  },
  oneOf: [
    { required: ['payload'], properties: { event: false, data: false } },
    { required: ['data'], properties: { payload: false } },
  ],
};

/** Only a server that has somebody to tell takes them. */
const withReceipt = (schema: Part, receipt: Part, { config }: Facts): Part =>
  config.webhook === ''
    ? schema
    : { ...schema, properties: { ...(schema['properties'] as Part), receipt } };

const WITHIN: Part = {
  type: 'integer',
  minimum: 1,
  maximum: 3_600,
  description: `Seconds, after which event.undelivered tells who has not had it; of at most ${MAX_USERS_PER_RECEIPT} users by name.`,
};

const RECEIPT: Part = {
  anyOf: [{ type: 'object', required: ['within'], properties: { within: WITHIN } }, absent],
};

const count = (description: string): Part => ({ type: 'integer', minimum: 0, description });

const WINDOW: Part = {
  enum: ['reset', 'short'],
  description: 'Keys that were used a while ago may be unknown.',
};

const ONE: Part = {
  type: 'object',
  required: ['id', 'streams'],
  properties: {
    id: ref('EventId'),
    streams: count('Open streams it is for.'),
    duplicate: { const: true, description: 'It was emitted before, under the same key.' },
    window: WINDOW,
    offline: {
      type: 'array',
      items: { type: 'string' },
      minItems: 1,
      maxItems: MAX_OFFLINE_TOLD,
      description: 'Users it names who have no stream and are not away.',
    },
    complete: {
      const: false,
      description: 'With -nats: a node did not say in time whether those are there.',
    },
  },
};

// The addon ends a value at the first byte that is not ASCII.
const VALUE_ENDS = '[ \\t]*(?:[^\\x00-\\x7f].*)?$';
const IN_QUOTES = `"[!-~]{${MAX_KEY_LENGTH - 1},${MAX_KEY_LENGTH}}"`;

const KEY_HEADER: Part = {
  name: 'Idempotency-Key',
  in: 'header',
  schema: {
    ...KEY,
    pattern: `^[ \\t]*(?!""${VALUE_ENDS})(?:[!-~]{0,${MAX_KEY_LENGTH}}|${IN_QUOTES})${VALUE_ENDS}`,
  },
  description:
    'The key of the event; of many, with the number of each that has no key of its own. With quotes around it or without. An empty one is none, and what stands behind a character that is not ASCII is not seen.',
};

const MANY: Part = {
  type: 'object',
  required: ['accepted', 'duplicates', 'failed', 'truncated', 'streams'],
  properties: {
    accepted: count('Events that were emitted.'),
    duplicates: count('Events that were emitted before, under the same keys.'),
    failed: count('Events that were not.'),
    truncated: { type: 'boolean', description: 'The end of the body is missing or was not taken.' },
    streams: count('The sum of the open streams that each event is for.'),
    first: ref('EventId'),
    last: ref('EventId'),
    window: WINDOW,
    errors: {
      type: 'array',
      maxItems: MAX_TOLD_ERRORS,
      items: {
        allOf: [
          ref('Error'),
          { required: ['line'], properties: { line: { type: 'integer', minimum: 1 } } },
        ],
      },
    },
  },
};

const REFUSALS: readonly ErrorCode[] = [
  'FIELD_MISSING',
  'FIELD_INVALID',
  'BODY_MALFORMED',
  'IDEMPOTENCY_MISMATCH',
  'UPLOAD_TOO_LONG',
  'BODY_TOO_LARGE',
  'EVENT_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
  'MEMORY_FULL',
  'RECEIPTS_FULL',
  'THREADS_BEHIND',
  'BACKPLANE_BUSY',
  'BACKPLANE_DOWN',
  'OUTCOME_UNKNOWN',
  'DRAINING',
];

export const emitEndpoints = (facts: Facts): Endpoints => ({
  'POST /emit/': {
    id: 'emit',
    summary: 'Sends an event to the streams of these users on these channels',
    description: `The body is at most ${facts.config['max-body']} bytes (\`-max-body\`); of lines, each. An array is emitted whole or not at all.`,
    parameters: [KEY_HEADER],
    body: {
      'application/json': {
        schema: {
          anyOf: [
            withReceipt(IN_JSON, RECEIPT, facts),
            {
              type: 'array',
              minItems: 1,
              maxItems: MAX_LIST_LENGTH,
              items: withReceipt(IN_JSON, RECEIPT, facts),
            },
          ],
        },
      },
      'application/x-ndjson': { itemSchema: withReceipt(IN_JSON, RECEIPT, facts) },
      'application/x-www-form-urlencoded': { schema: withReceipt(IN_FORM, WITHIN, facts) },
      'multipart/form-data': { schema: withReceipt(IN_FORM, WITHIN, facts) },
    },
    answers: {
      200: answered(
        'It has its place in the order, and is in the log of its channels.',
        'application/json',
        { anyOf: [ONE, MANY] },
      ),
      207: answered('Some lines are emitted, and some are not.', 'application/json', MANY),
    },
    refuses: REFUSALS,
  },
});
