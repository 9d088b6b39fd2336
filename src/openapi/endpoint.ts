/** How one endpoint is described, and how that becomes an operation of the document. */
import type { Config } from '../config/config.ts';
import { ERROR_STATUS, ERROR_TITLE, type ErrorCode } from '../errors.ts';
import { PROBLEM_TYPE } from '../http/problem.ts';

/** A schema of JSON Schema 2020-12, or any other object of the document. */
export type Part = Readonly<Record<string, unknown>>;

/** What the descriptions depend on: this server, as it runs. */
export interface Facts {
  readonly config: Config;
  /** Where streams are, e.g. `http://127.0.0.1:8000`; `unix:…` on a unix socket. */
  readonly publicUrl: string;
}

export interface Endpoint {
  /** A name in camel case, for generated clients. */
  readonly id: string;
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Part[];
  /** By media type, each with its `schema`. */
  readonly body?: Readonly<Record<string, Part>>;
  /** What is no error, by status. */
  readonly answers: Readonly<Record<number, Part>>;
  /** Errors, besides those that every endpoint of its port may answer. */
  readonly refuses: readonly ErrorCode[];
}

/** By method and path as the router has them: `POST /emit/`. */
export type Endpoints = Readonly<Record<string, Endpoint>>;

/** A reference to one of `components.schemas`. */
export const ref = (name: string): Part => ({ $ref: `#/components/schemas/${name}` });

/** An answer with a body of one type. */
export const answered = (description: string, type: string, schema: Part): Part => ({
  description,
  content: { [type]: { schema } },
});

/** An answer in JSON whose members are all there. */
export const object = (properties: Readonly<Record<string, Part>>): Part => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
});

const POSITION_HEADER: Part = {
  'Tidings-Position': { $ref: '#/components/headers/Tidings-Position' },
};

/** The operation of an endpoint of the control port. `common`: what each of them may answer. */
export function operationOf(endpoint: Endpoint, common: readonly ErrorCode[]): Part {
  const { id, summary, description, parameters, body, answers, refuses } = endpoint;
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses: { ...answers, ...errorsOf([...common, ...refuses], answers) },
  };
}

/** The same answers with the header that all of the control port have. */
export const withPosition = (answers: Endpoint['answers']): Endpoint['answers'] =>
  Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [
      status,
      { ...answer, headers: { ...POSITION_HEADER, ...(answer['headers'] as Part | undefined) } },
    ]),
  );

// One answer for each status, which names the codes that have it. What an endpoint says of a status
// itself, as /readyz of 503, stands.
function errorsOf(codes: readonly ErrorCode[], own: Endpoint['answers']): Part {
  const all = [...new Set(codes)];
  const statuses = new Set(all.map((code) => ERROR_STATUS[code]));
  const others = [...statuses].filter((status) => own[status] === undefined);
  const group = (status: number) => all.filter((code) => ERROR_STATUS[code] === status);
  return Object.fromEntries(others.map((status) => [status, errorAnswer(group(status))]));
}

function errorAnswer(codes: readonly ErrorCode[]): Part {
  const only = { properties: { error: { enum: codes } } };
  const schema = (name: string): Part => ({ schema: { allOf: [ref(name), only] } });
  return {
    description: codes.map((code) => `\`${code}\`: ${ERROR_TITLE[code]}.`).join('\n'),
    content: { 'application/json': schema('Error'), [PROBLEM_TYPE]: schema('Problem') },
  };
}
