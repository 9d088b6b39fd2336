/** `GET /explain/`, described. */
import { VERDICTS } from '../control/verdict.ts';
import { answered, type Endpoints, type Part, ref } from './endpoint.ts';
import { INCOMPLETE } from './schemas.ts';

const TEXT: Part = { type: 'string' };

export const EXPLAIN_ENDPOINTS: Endpoints = {
  'GET /explain/': {
    id: 'explain',
    summary: 'What became of an event for a user, or why a user gets nothing',
    parameters: [
      { name: 'userId', in: 'query', required: true, schema: ref('Name') },
      { name: 'id', in: 'query', schema: TEXT, description: 'Of the event.' },
    ],
    answers: {
      200: answered('A verdict, and what to do next.', 'application/json', {
        type: 'object',
        required: ['user', 'verdict', 'message', 'next'],
        properties: {
          user: TEXT,
          id: TEXT,
          verdict: { enum: [...VERDICTS] },
          message: { type: 'string', description: 'For people.' },
          next: { type: 'string', description: 'What to do; for people.' },
          ...INCOMPLETE,
        },
      }),
    },
    refuses: ['FIELD_MISSING', 'FIELD_INVALID', 'BODY_MALFORMED'],
  },
};
