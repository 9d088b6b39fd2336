/** `POST /token/`, described. */
import { MAX_CHANNELS_PER_TOKEN } from '../auth/claims.ts';
import { answered, type Endpoints, type Facts, type Part, ref } from './endpoint.ts';
import { notEveryone, oneOrMore, tokenChannel } from './schemas.ts';

const FROM: Part = {
  description: 'Where a stream starts that brings no id: an id, or `now`.',
  anyOf: [ref('EventId'), { const: 'now' }],
};

const orNull = (part: Part): Part => ({ anyOf: [part, { type: 'null' }] });

function fieldsOf(name: string, { exp, from, jti }: Record<'exp' | 'from' | 'jti', Part>): Part {
  return {
    type: 'object',
    required: ['userId', 'channel', 'exp'],
    properties: {
      userId: notEveryone(name),
      channel: oneOrMore(tokenChannel(name), MAX_CHANNELS_PER_TOKEN),
      exp: { ...exp, description: 'Seconds from now.' },
      from,
      jti,
    },
  };
}

export const tokenEndpoints = ({ config }: Facts): Endpoints => {
  const max = config['max-token-life'];
  const exp = { type: 'integer', minimum: 1, maximum: max };
  const jti = ref('TokenId');
  const inForm = fieldsOf('Name', { exp, from: FROM, jti });
  return {
    'POST /token/': {
      id: 'makeToken',
      summary: 'Signs a token that opens streams',
      body: {
        'application/json': {
          schema: {
            ...fieldsOf('NameOrNumber', { exp, from: orNull(FROM), jti: orNull(jti) }),
            examples: [{ userId: '42', channel: ['news'], exp: 3_600, from: 'now', jti: 'b3f1' }],
          },
        },
        'application/x-www-form-urlencoded': { schema: inForm },
        'multipart/form-data': { schema: inForm },
      },
      answers: {
        200: answered('The bare token, a JWT.', 'text/plain', {
          type: 'string',
          pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]+$',
        }),
      },
      refuses: [
        'FIELD_MISSING',
        'FIELD_INVALID',
        'BODY_MALFORMED',
        'BODY_TOO_LARGE',
        'MEDIA_TYPE_UNSUPPORTED',
        'SIGNING_DISABLED',
      ],
    },
  };
};
