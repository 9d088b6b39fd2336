/**
 * `/openapi.json`: the contract of this server, as it runs, in OpenAPI 3.2.
 *
 * A new endpoint of the control port is described in one of the files beside this one, under its method
 * and path as the router has them; a new file goes into `controlEndpoints`. Limits, error codes and
 * defaults are taken from the constants that the code itself uses, never written a second time. A test
 * compares the descriptions with the routes, and another calls every endpoint as it is described.
 */
import type { ErrorCode } from '../errors.ts';
import { COOKIE_NAME } from '../public/stream-request.ts';
import { VERSION } from '../version.ts';
import { emitEndpoints } from './emit.ts';
import { type Endpoints, type Facts, operationOf, type Part, withPosition } from './endpoint.ts';
import { EXPLAIN_ENDPOINTS } from './explain.ts';
import { peopleEndpoints } from './people.ts';
import { SCHEMAS } from './schemas.ts';
import { STATE_ENDPOINTS } from './state.ts';
import { STREAM_SCHEMAS, streamEndpoint } from './stream.ts';
import { tokenEndpoints } from './token.ts';

/** A route of the control port, as its router has it. */
export interface KnownRoute {
  readonly method: string;
  readonly path: string;
}

/** Everything that is described; what a server does not have, such as the page of `-dev`, too. */
export const controlEndpoints = (facts: Facts): Endpoints => ({
  ...emitEndpoints(facts),
  ...tokenEndpoints(facts),
  ...peopleEndpoints(facts),
  ...EXPLAIN_ENDPOINTS,
  ...STATE_ENDPOINTS,
});

/** By which a route finds its description. */
export const endpointKey = ({ method, path }: KnownRoute): string =>
  `${method.toUpperCase()} ${path}`;

/** The document, for a server that has these routes. */
export function openApi(facts: Facts, routes: readonly KnownRoute[]): Part {
  return {
    openapi: '3.2.0',
    info: {
      title: 'tidings',
      version: VERSION,
      description: 'Pushes Server-Sent Events. Backends use the control port, browsers `/events/`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'the control port' }],
    paths: { ...controlPaths(facts, routes), '/events/': streamPath(facts) },
    components: {
      schemas: { ...SCHEMAS, ...STREAM_SCHEMAS },
      headers: {
        'Tidings-Position': {
          description: 'The id of the newest event when the answer was written.',
          schema: { $ref: '#/components/schemas/EventId' },
        },
      },
      securitySchemes: securitySchemes(facts),
    },
  };
}

/** What the guard of the port answers, and what may go wrong everywhere. */
const ON_CONTROL: readonly ErrorCode[] = [
  'REQUEST_MALFORMED',
  'FOREIGN_ORIGIN',
  'FOREIGN_HOST',
  'INTERNAL',
];

function controlPaths(facts: Facts, routes: readonly KnownRoute[]): Part {
  const endpoints = controlEndpoints(facts);
  const isGuarded = facts.config['ctl-token'] !== '';
  const common: ErrorCode[] = [...ON_CONTROL];
  if (isGuarded) common.push('CONTROL_TOKEN_INVALID');
  const paths: Record<string, Record<string, Part>> = {};
  for (const route of routes) {
    const endpoint = endpoints[endpointKey(route)];
    if (endpoint === undefined) continue; // a test tells whoever has forgotten it
    const answers = withPosition(endpoint.answers);
    const operation = operationOf({ ...endpoint, answers }, common);
    paths[route.path] ??= {};
    paths[route.path]![route.method] = isGuarded
      ? { ...operation, security: [{ controlToken: [] }] }
      : operation;
  }
  return paths;
}

function streamPath(facts: Facts): Part {
  const { publicUrl, config } = facts;
  const isUrl = /^https?:/.test(publicUrl);
  const description = 'the public port; behind a proxy, where that one shows it';
  const ways = ['bearer', 'cookie', ...(config['query-token'] ? ['query'] : [])];
  return {
    servers: [{ url: isUrl ? publicUrl : '/', description }],
    get: {
      ...operationOf(streamEndpoint(facts), []),
      security: ways.map((way) => ({ [way]: [] })),
    },
  };
}

const securitySchemes = ({ config }: Facts): Part => ({
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  cookie: { type: 'apiKey', in: 'cookie', name: COOKIE_NAME },
  ...(config['query-token'] ? { query: { type: 'apiKey', in: 'query', name: 'token' } } : {}),
  ...(config['ctl-token'] === '' ? {} : { controlToken: { type: 'http', scheme: 'bearer' } }),
});
