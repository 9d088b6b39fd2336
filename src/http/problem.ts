/** Errors as `application/problem+json` (RFC 9457), for those who ask for that. */
import { ERROR_TITLE } from '../errors.ts';
import type { Answer } from './answer.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** What `type` begins with; the error code follows. */
export const PROBLEM_URN = 'urn:tidings:error:';

/**
 * The answer in the form that `accept` asks for. Only an error has two forms, and a problem goes only to
 * clients that name its type: those that know nothing of it send ranges, which would cover it.
 */
export function inFormFor(accept: string, answer: Answer): Answer {
  const { error, headers = [], status, body = '{}' } = answer;
  if (error === undefined || !namesProblems(accept)) return answer;
  const { code, message } = error;
  const [type, title] = [`${PROBLEM_URN}${code}`, ERROR_TITLE[code]];
  // Whatever else the plain form says of it is said here, too.
  const members = JSON.parse(body) as object;
  const problem = { type, title, status, detail: message, ...members };
  return {
    ...answer,
    headers: headers.map((header) =>
      header[0] === 'Content-Type' ? ['Content-Type', PROBLEM_TYPE] : header,
    ),
    body: `${JSON.stringify(problem)}\n`,
  };
}

const REFUSED = /;[ \t]*q=0(?:\.0*)?[ \t]*(?:;|$)/i;

const namesProblems = (accept: string): boolean =>
  accept.split(',').some((range) => {
    const name = range.split(';', 1)[0]!.trim().toLowerCase();
    return name === PROBLEM_TYPE && !REFUSED.test(range);
  });
