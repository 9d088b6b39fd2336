/** `GET /events/`, described: the one path of the public port, and what comes on a stream. */
import { GAP_REASONS } from '../hub/notices.ts';
import { SYSTEM_EVENT_PREFIX } from '../wire/frame.ts';
import { type Endpoint, type Facts, object, type Part, ref } from './endpoint.ts';

const count = (description: string): Part => ({ type: 'integer', minimum: 0, description });

const inJson = (schema: Part): Part => ({
  type: 'string',
  contentMediaType: 'application/json',
  contentSchema: schema,
});

const notice = (name: string, data: Part, more: Part = {}): Part => ({
  title: `${SYSTEM_EVENT_PREFIX}${name}`,
  required: ['event', 'data', ...Object.keys(more)],
  properties: { event: { const: `${SYSTEM_EVENT_PREFIX}${name}` }, data: inJson(data), ...more },
});

const WITH_ID = { id: ref('EventId') };

const GAP = object({
  after: { type: 'string', description: 'The id that the reader had.' },
  resumed: ref('EventId'),
  reason: { enum: GAP_REASONS },
  spread: count('Milliseconds over which pages spread loading their state anew.'),
});

const NOTICES: readonly Part[] = [
  notice(
    'open',
    object({
      heartbeat: count('The longest silence, in seconds.'),
      expires: count('The rest of the life of the token, in seconds.'),
    }),
  ),
  notice('gap', GAP, WITH_ID),
  notice('position', { type: 'object' }, WITH_ID),
  notice('expiring', count('Seconds until the token ends, and the stream with it.'), WITH_ID),
];

const PLAIN: Part = {
  title: 'an event of a backend',
  properties: { event: { not: { pattern: `^${SYSTEM_EVENT_PREFIX.replace('.', '\\.')}` } } },
};

/** What one item of a stream is, comments left out. */
const ITEM: Part = {
  type: 'object',
  properties: {
    event: { type: 'string' },
    data: { type: 'string' },
    id: { type: 'string' },
    retry: count('Milliseconds until a client that was cut off comes back.'),
  },
  oneOf: [...NOTICES, PLAIN],
};

const LAST_ID: Part = {
  schema: { type: 'string' },
  description: 'The last id that the client has seen: what came after it is sent first.',
};

const query = (name: string, description: string): Part => {
  return { name, in: 'query', schema: { type: 'string' }, description };
};

const HEADER: Part = { name: 'Last-Event-ID', in: 'header', ...LAST_ID };

/** What the public port answers to `GET /events/`. */
export const streamEndpoint = (facts: Facts): Endpoint => ({
  id: 'openStream',
  summary: 'Opens the stream of a user: everything for them on the channels of their token',
  description: `A stream never ends by itself before its token does. A heartbeat, which is a comment, comes before ${facts.config.heartbeat} seconds of silence. An EventSource that cannot be served now gets 200, a \`retry\` and the end in place of 503.`,
  parameters: [
    HEADER,
    query('lastEventId', 'In place of the header, for polyfills.'),
    query('last_event_id', 'In place of the header, for polyfills.'),
  ],
  answers: {
    200: {
      description: 'The stream.',
      content: { 'text/event-stream': { itemSchema: ref('StreamItem') } },
    },
  },
  refuses: ['REQUEST_MALFORMED', 'TOKEN_INVALID', 'STREAM_LIMIT', 'KEYS_UNAVAILABLE', 'INTERNAL'],
});

export const STREAM_SCHEMAS: Readonly<Record<string, Part>> = { StreamItem: ITEM };
