/** Where a request may carry its token, in the order in which we look. */
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

function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at !== -1 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
