/** Which route answers a request: its path, its method, and what becomes of its body. */
import { TidingsError } from '../errors.ts';
import { type Answer, notAllowed } from '../http/answer.ts';
import type { BodyPieces } from '../http/body-pieces.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestHead } from '../http/request-head.ts';
import { type Fields, parseFields, parseFieldsOrList } from './fields.ts';
import { checkContentEncoding, parseMediaType } from './media-type.ts';

/** What a request says besides its body. */
export interface Call {
  readonly head: RequestHead;
  /** Of the path, by the names in its pattern, percent-decoded. */
  readonly params: ReadonlyMap<string, string>;
  /** Without `?`, not percent-decoded; fields have it among them already. */
  readonly query: string;
}

type Answering = Answer | Promise<Answer>;

export type Route = {
  readonly method: 'get' | 'post';
  /** Segments in braces are parameters: `/users/{id}/`. The slash at the end may be left out. */
  readonly path: string;
} & (
  | { readonly body: 'none'; readonly run: (call: Call) => Answering }
  /** One object of fields, whole. */
  | {
      readonly body: 'fields';
      readonly run: (fields: Fields, call: Call) => Answering;
      /** What becomes of a JSON array of objects; refused when absent. */
      readonly runAll?: (list: readonly Fields[], call: Call) => Answering;
      /** What becomes of bodies of some other types. */
      readonly streamed?: Streamed;
    }
);

/** A body of any length, which is taken as it comes. */
export interface Streamed {
  /** In lower case, without parameters. */
  readonly types: readonly string[];
  readonly run: (pieces: BodyPieces, call: Call) => Answering;
}

export const get = (path: string, run: (call: Call) => Answering): Route => {
  return { method: 'get', path, body: 'none', run };
};

export const post = (path: string, run: (fields: Fields, call: Call) => Answering): Route => {
  return { method: 'post', path, body: 'fields', run };
};

type FieldsRoute = Extract<Route, { body: 'fields' }>;

interface Match {
  readonly routes: readonly Route[];
  readonly params: ReadonlyMap<string, string>;
}

export interface RouterOptions {
  /** Of a body that is read whole. */
  readonly maxBodyBytes: number;
  /** The answer to `OPTIONS`, for the methods that a path has. */
  readonly capabilities: (allow: string) => Answer;
}

const NO_PARAMS: ReadonlyMap<string, string> = new Map();

export class Router {
  readonly #exact = new Map<string, Route[]>();
  readonly #patterns: { readonly segments: readonly string[]; readonly routes: Route[] }[] = [];
  readonly #options: RouterOptions;

  constructor(routes: readonly Route[], options: RouterOptions) {
    this.#options = options;
    for (const route of routes) this.#add(route);
  }

  /** `path` is not percent-decoded. @throws TidingsError `NOT_FOUND`, or what the route throws before it has its body */
  run(exchange: Exchange, path: string): void {
    const { head } = exchange;
    const { method, query } = head;
    const { routes, params } = this.#find(withoutSlash(path));
    if (method === 'options') return exchange.answer(this.#options.capabilities(allowOf(routes)));
    const wanted = method === 'head' ? 'get' : method;
    const route = routes.find((candidate) => candidate.method === wanted);
    if (route === undefined) return exchange.answer(notAllowed(allowOf(routes)));
    const call = { head, params, query };
    if (route.body === 'none') return exchange.answerWith(() => route.run(call));
    const { streamed } = route;
    if (streamed !== undefined && isOf(streamed.types, exchange)) {
      checkContentEncoding(exchange.head.contentEncoding);
      return exchange.answerWith(() => streamed.run(exchange.pieces(), call));
    }
    exchange.readBody(this.#options.maxBodyBytes, (body) => {
      exchange.answerWith(() => runWhole(route, body, { head: exchange.head, call }));
    });
  }

  #add(route: Route): void {
    const path = withoutSlash(route.path);
    const segments = path.split('/');
    const known = path.includes('{')
      ? this.#patterns.find((pattern) => pattern.segments.join('/') === path)?.routes
      : this.#exact.get(path);
    if (known !== undefined) known.push(route);
    else if (path.includes('{')) this.#patterns.push({ segments, routes: [route] });
    else this.#exact.set(path, [route]);
  }

  #find(path: string): Match {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return { routes: exact, params: NO_PARAMS };
    const given = path.split('/');
    for (const { segments, routes } of this.#patterns) {
      const params = paramsOf(segments, given);
      if (params !== undefined) return { routes, params };
    }
    throw new TidingsError('NOT_FOUND', 'no such path on the control port');
  }
}

function runWhole(
  { run, runAll }: FieldsRoute,
  body: Buffer,
  { head, call }: { head: RequestHead; call: Call },
): Answering {
  if (runAll === undefined) return run(parseFields(head, body), call);
  const given = parseFieldsOrList(head, body);
  return 'length' in given ? runAll(given, call) : run(given, call);
}

const isOf = (types: readonly string[], { head }: Exchange): boolean =>
  types.includes(parseMediaType(head.contentType).name);

const withoutSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path);

const allowOf = (routes: readonly Route[]): string =>
  routes.map(({ method }) => (method === 'get' ? 'GET, HEAD' : 'POST')).join(', ');

function paramsOf(
  pattern: readonly string[],
  given: readonly string[],
): Map<string, string> | undefined {
  if (pattern.length !== given.length) return undefined;
  const params = new Map<string, string>();
  for (const [i, segment] of pattern.entries()) {
    if (!segment.startsWith('{')) {
      if (segment !== given[i]) return undefined;
    } else if (given[i] === '') return undefined;
    else params.set(segment.slice(1, -1), decoded(given[i]!));
  }
  return params;
}

// What was not UTF-8 when it came has U+FFFD in it.
function decoded(segment: string): string {
  try {
    if (!segment.includes('\uFFFD')) return decodeURIComponent(segment);
  } catch {} // told below
  throw new TidingsError('FIELD_INVALID', 'the path is not UTF-8: percent-encode its text');
}
