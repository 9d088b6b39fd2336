/** Who is there, ending streams, and revoking tokens: described. */
import { MAX_USERS_PER_QUESTION } from '../control/presence.ts';
import { LAST_SECOND } from '../control/revocations.ts';
import type { ErrorCode } from '../errors.ts';
import { CHANNEL_ORDERS } from '../hub/census.ts';
import { MAX_ROWS_PER_PAGE } from '../hub/pages.ts';
import { answered, type Endpoint, type Endpoints, type Facts, type Part, ref } from './endpoint.ts';
import { COUNT, INCOMPLETE, notEveryone } from './schemas.ts';

const TEXT: Part = { type: 'string' };
const SECONDS: Part = { type: 'number', minimum: 0 };

const STATE: Part = { enum: ['online', 'away', 'offline'] };

const NEXT: Part = {
  type: 'string',
  description: 'The `cursor` of the next page, if there is one.',
};

/** As `members`; or not from all nodes. */
const gathered = (properties: Readonly<Record<string, Part>>, ...optional: string[]): Part =>
  members({ ...properties, ...INCOMPLETE }, ...optional, ...Object.keys(INCOMPLETE));

/** Members that are not `optional` are always there. */
const members = (properties: Readonly<Record<string, Part>>, ...optional: string[]): Part => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

const json = (description: string, schema: Part) => ({
  200: answered(description, 'application/json', schema),
});

const inQuery = (name: string, schema: Part, description: string): Part => {
  return { name, in: 'query', schema, description };
};

const inPath = (name: string): Part => {
  return { name, in: 'path', required: true, schema: ref('Name') };
};

const PAGE: readonly Part[] = [
  inQuery(
    'limit',
    { type: 'integer', minimum: 1, maximum: MAX_ROWS_PER_PAGE, default: 100 },
    'Rows in this page, at most.',
  ),
  inQuery('cursor', TEXT, 'The `next` of the page before.'),
];

const STREAM: Part = members(
  {
    id: { type: 'string', description: 'For `POST /disconnect/`; without a meaning.' },
    channels: { type: 'array', items: TEXT },
    since: { type: 'string', format: 'date-time' },
    address: { type: 'string', description: 'Only when addresses are counted.' },
    position: ref('EventId'),
    blocked: { type: 'boolean', description: 'It takes nothing for now.' },
  },
  'address',
);

const CHANNEL_FACTS = { streams: COUNT, entries: COUNT, bytes: COUNT };

const QUERY_FAULTS: readonly ErrorCode[] = ['FIELD_MISSING', 'FIELD_INVALID', 'BODY_MALFORMED'];
const BODY_FAULTS: readonly ErrorCode[] = [
  ...QUERY_FAULTS,
  'BODY_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
];

const ASKING: Endpoints = {
  'GET /users/': {
    id: 'usersStates',
    summary: 'Which of these users are online, away or offline',
    parameters: [
      {
        name: 'ids',
        in: 'query',
        required: true,
        explode: false,
        schema: {
          type: 'array',
          items: ref('Name'),
          minItems: 1,
          maxItems: MAX_USERS_PER_QUESTION,
        },
        description: 'Users without commas in their names, separated by commas.',
      },
    ],
    answers: json(
      'By user. When a node did not answer, the header `Tidings-Nodes` says how many of how many did.',
      { type: 'object', additionalProperties: STATE },
    ),
    refuses: QUERY_FAULTS,
  },
  'GET /users/{id}/': {
    id: 'user',
    summary: 'A user and its streams',
    parameters: [inPath('id'), ...PAGE],
    answers: json(
      'Streams in the order in which they were opened, in each thread.',
      gathered(
        { user: TEXT, state: STATE, streams: { type: 'array', items: STREAM }, next: NEXT },
        'next',
      ),
    ),
    refuses: QUERY_FAULTS,
  },
  'GET /channels/': {
    id: 'channels',
    summary: 'Channels, with what is on them',
    parameters: [
      inQuery(
        'sort',
        { enum: [...CHANNEL_ORDERS], default: 'name' },
        'Numbers: the largest first.',
      ),
      inQuery('prefix', ref('Name'), 'Only names that begin so.'),
      ...PAGE,
    ],
    answers: json(
      'A page of them.',
      members(
        {
          channels: {
            type: 'array',
            items: members({ name: TEXT, ...CHANNEL_FACTS }),
          },
          ...INCOMPLETE,
          complete: {
            const: false,
            description: 'There are too many to sort them all, or a node did not answer in time.',
          },
          next: NEXT,
        },
        'next',
        ...Object.keys(INCOMPLETE),
      ),
    ),
    refuses: QUERY_FAULTS,
  },
  'GET /channels/{name}/': {
    id: 'channel',
    summary: 'A channel, with its users',
    parameters: [inPath('name'), ...PAGE],
    answers: json(
      'Zeros when nothing is on it.',
      gathered(
        {
          channel: TEXT,
          ...CHANNEL_FACTS,
          users: { type: 'array', items: members({ user: TEXT, streams: COUNT }) },
          next: NEXT,
        },
        'next',
      ),
    ),
    refuses: QUERY_FAULTS,
  },
};

const OF_USER = { userId: TEXT, issuedBefore: SECONDS, until: SECONDS };
const OF_TOKEN = { tokenId: TEXT, until: SECONDS };

const LIST: Endpoint = {
  id: 'revocations',
  summary: 'The revocations that still matter',
  parameters: PAGE,
  answers: json(
    'A page of them.',
    gathered(
      {
        revocations: { type: 'array', items: { oneOf: [members(OF_USER), members(OF_TOKEN)] } },
        next: NEXT,
      },
      'next',
    ),
  ),
  refuses: QUERY_FAULTS,
};

const ABSENT: Part = { type: 'null' };

/** What a field may be in JSON, where null means that it is not there, and in a form. */
type Kinds = (inJson: Part, inForm?: Part) => Part;

function bodyOf(schemaFor: (kind: Kinds, isForm: boolean) => Part): NonNullable<Endpoint['body']> {
  const form = { schema: schemaFor((inJson, inForm) => inForm ?? inJson, true) };
  return {
    'application/json': { schema: schemaFor((inJson) => ({ anyOf: [inJson, ABSENT] }), false) },
    'application/x-www-form-urlencoded': form,
    'multipart/form-data': form,
  };
}

/** An object in which at least one of the fields is there. */
const someOf = (properties: Readonly<Record<string, Part>>): Part => ({
  type: 'object',
  properties,
  anyOf: Object.keys(properties).map((name) => ({
    required: [name],
    properties: { [name]: { not: ABSENT } },
  })),
});

const STREAM_ID: Part = { type: 'string', pattern: '^([a-z0-9]{1,16}-)?[1-9][0-9]{0,14}$' };
const STREAM_NUMBER: Part = { type: 'integer', minimum: 1, maximum: 999_999_999_999_999 };

const DISCONNECT: Endpoint = {
  id: 'disconnect',
  summary: 'Ends streams, which may come back',
  description: 'Of the fields that are given, all count; one must be.',
  body: bodyOf((kind) =>
    someOf({
      userId: kind(notEveryone('NameOrNumber'), notEveryone('Name')),
      channel: kind(ref('NameOrNumber'), ref('Name')),
      stream: kind({ anyOf: [STREAM_ID, STREAM_NUMBER] }, STREAM_ID),
    }),
  ),
  answers: json('So many end.', gathered({ streams: COUNT })),
  refuses: BODY_FAULTS,
};

const secondsUpTo = (maximum: number): Part => ({ type: 'integer', minimum: 1, maximum });

const ISSUED_BEFORE: Part = {
  anyOf: [{ const: 'now' }, secondsUpTo(LAST_SECOND)],
  description: 'Unix seconds, or `now`, the default.',
};

function revokeBody(kind: Kinds, isForm: boolean, maxTokenSeconds: number): Part {
  const ttl = kind(secondsUpTo(maxTokenSeconds));
  const issuedBefore = kind(ISSUED_BEFORE);
  const description = '`ttl`: seconds for which such tokens may be about.';
  if (isForm)
    return {
      type: 'object',
      description,
      properties: { userId: notEveryone('Name'), tokenId: ref('TokenId'), issuedBefore, ttl },
      oneOf: [
        { required: ['userId'], properties: { tokenId: false } },
        { required: ['tokenId'], properties: { userId: false } },
      ],
    };
  const userId = notEveryone('NameOrNumber');
  return {
    type: 'object',
    description,
    oneOf: [
      { required: ['userId'], properties: { userId, tokenId: ABSENT, issuedBefore, ttl } },
      { required: ['tokenId'], properties: { tokenId: ref('TokenId'), userId: ABSENT, ttl } },
    ],
  };
}

const revoked = (what: Readonly<Record<string, Part>>): Part => {
  const message = { type: 'string', description: 'What to do when a node did not answer.' };
  return gathered({ ...what, streams: COUNT, message }, 'message');
};

export const peopleEndpoints = ({ config }: Facts): Endpoints => ({
  ...ASKING,
  'POST /disconnect/': DISCONNECT,
  'POST /revoke/': {
    id: 'revoke',
    summary: 'Tokens of a user, or one token by its `jti`, count no more',
    body: bodyOf((kind, isForm) => revokeBody(kind, isForm, config['max-token-life'])),
    answers: json('Streams that had one are ended.', {
      oneOf: [revoked(OF_USER), revoked(OF_TOKEN)],
    }),
    refuses: [...BODY_FAULTS, 'REVOCATIONS_FULL', 'BACKPLANE_DOWN', 'OUTCOME_UNKNOWN'],
  },
  'GET /revocations/': LIST,
});
