/** Where a request may carry its token, and the id it resumes from, in the order in which we look. */
import type { HttpRequest } from './uws.ts';

/** A cookie for native EventSource, which cannot set headers, on the same site. */
const COOKIE_NAME = 'tidings';

/** `Authorization: Bearer`, then the cookie, then `?token=` when allowed. */
export function tokenOf(req: HttpRequest, allowsQuery: boolean): string | undefined {
  const bearer = /^bearer +(.*)$/i.exec(req.getHeader('authorization'))?.[1];
  if (bearer !== undefined) return bearer;
  const cookie = cookieValue(req.getHeader('cookie'), COOKIE_NAME);
  if (cookie !== undefined) return cookie;
  if (!allowsQuery) return undefined;
  return new URLSearchParams(req.getQuery() ?? '').get('token') ?? undefined;
}

/**
 * The header that browsers send when they reconnect, then what polyfills put into the query. An
 * empty id counts as none (WHATWG HTML, 9.2.3: a client without an id sends no header).
 */
export function lastEventIdOf(req: HttpRequest): string | undefined {
  // Header bytes come as Latin-1, but are UTF-8.
  const header = Buffer.from(req.getHeader('last-event-id'), 'latin1').toString('utf8');
  if (header !== '') return header;
  const query = req.getQuery();
  if (query === undefined || query === '') return undefined;
  const fields = new URLSearchParams(query);
  return fields.get('lastEventId') || fields.get('last_event_id') || undefined;
}

function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at !== -1 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
