/** What can be asked of the server itself: where it is, whether it is well, and this document. */
import { answered, type Endpoints, object, ref } from './endpoint.ts';

const said = (status: string) => object({ status: { const: status } });

const TEXT = { type: 'string' };

const CONDITION = {
  ...object({ name: TEXT, ok: { type: 'boolean' } }),
  properties: { name: TEXT, ok: { type: 'boolean' }, reason: TEXT },
};

const readiness = (...statuses: readonly string[]) =>
  object({ status: { enum: statuses }, conditions: { type: 'array', items: CONDITION } });

export const STATE_ENDPOINTS: Endpoints = {
  'GET /position/': {
    id: 'position',
    summary: 'The id of the newest event',
    answers: {
      200: answered(
        'For the `from` of a token.',
        'application/json',
        object({ id: ref('EventId') }),
      ),
    },
    refuses: [],
  },
  'GET /metrics': {
    id: 'metrics',
    summary: 'What is measured, for Prometheus',
    answers: {
      200: {
        description: 'In the format that Accept asks for.',
        content: {
          'text/plain': { schema: TEXT },
          'application/openmetrics-text': { schema: TEXT },
        },
      },
    },
    refuses: [],
  },
  'GET /healthz': {
    id: 'alive',
    summary: 'Whether the process is alive',
    answers: { 200: answered('It is.', 'application/json', said('ok')) },
    refuses: [],
  },
  'GET /readyz': {
    id: 'ready',
    summary: 'Whether the server takes streams',
    answers: {
      200: answered('It does.', 'application/json', readiness('ready')),
      503: answered(
        'It does not; `draining`: it is leaving.',
        'application/json',
        readiness('draining', 'unready'),
      ),
    },
    refuses: [],
  },
  'GET /openapi.json': {
    id: 'openapi',
    summary: 'This document',
    answers: {
      200: answered('OpenAPI 3.2.', 'application/json', { type: 'object', required: ['openapi'] }),
    },
    refuses: [],
  },
  'GET /': {
    id: 'tryPage',
    summary: 'The page to try streams; only with -dev',
    answers: { 200: answered('A page.', 'text/html', TEXT) },
    refuses: [],
  },
};
