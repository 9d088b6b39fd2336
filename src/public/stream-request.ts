/** Where a request may carry its token, and the id it resumes from, in the order in which we look. */
import type { RequestHead } from '../http/request-head.ts';
import type { HttpRequest } from '../http/uws.ts';

/** A cookie for native EventSource, which cannot set headers, on the same site. */
export const COOKIE_NAME = 'tidings';

/** Cookies of our name that are tried; a browser sends one for each path and domain that set it. */
const MAX_COOKIES = 8;

/**
 * The tokens to try, in order: that of `Authorization: Bearer`, or else every cookie, or else
 * `?token=` when allowed.
 */
export function tokensOf(
  { authorization, query }: RequestHead,
  req: HttpRequest,
  allowsQuery: boolean,
): readonly string[] {
  const bearer = /^bearer +(.*)$/i.exec(authorization)?.[1];
  if (bearer !== undefined) return [bearer];
  const cookies = cookiesOf(req);
  if (cookies.length > 0 || !allowsQuery) return cookies;
  return new URLSearchParams(query).getAll('token').slice(0, 1);
}

/**
 * The header that browsers send when they reconnect, then what polyfills put into the query. An
 * empty id counts as none (WHATWG HTML, 9.2.3: a client without an id sends no header).
 */
export function lastEventIdOf({ query }: RequestHead, req: HttpRequest): string | undefined {
  const header = req.getHeader('last-event-id');
  // Header bytes come as Latin-1, but are UTF-8.
  if (header !== '') return Buffer.from(header, 'latin1').toString('utf8');
  if (query === '') return undefined;
  const fields = new URLSearchParams(query);
  return fields.get('lastEventId') || fields.get('last_event_id') || undefined;
}

// HTTP/2 lets a client, and so a proxy, spread cookies over several lines (RFC 9113, 8.2.3).
function cookiesOf(req: HttpRequest): readonly string[] {
  const pairs: string[] = [];
  req.forEach((name, value) => {
    if (name === 'cookie') pairs.push(...value.split(';'));
  });
  const named = pairs.filter((pair) => pair.split('=', 1)[0]!.trim() === COOKIE_NAME);
  return named.slice(0, MAX_COOKIES).map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
}
