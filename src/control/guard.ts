/**
 * Who may speak to the control port. It has no browser users, so a request that a web page could have
 * made, or that reached us under a name we do not know (DNS rebinding), is refused before its body
 * is read. Checked per request: connections carry no rights.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { TidingsError } from '../errors.ts';

export interface RequestOrigin {
  readonly host: string;
  readonly origin: string;
  readonly secFetchSite: string;
  readonly authorization: string;
}

export interface GuardOptions {
  /**
   * Host names allowed besides addresses and localhost, without a port. Undefined: any, which is for a
   * unix socket, since no page reaches it and its clients write what they like (`docker`, nothing).
   */
  readonly hosts: readonly string[] | undefined;
  /** Empty: no token is asked for. */
  readonly token: string;
}

/** @throws TidingsError `FOREIGN_HOST`, `FOREIGN_ORIGIN` or `CONTROL_TOKEN_INVALID` */
export function createGuard({ hosts, token }: GuardOptions): (request: RequestOrigin) => void {
  const isAllowed = hosts === undefined ? () => true : hostCheck(hosts);
  const expected = digest(`Bearer ${token}`);
  return (request) => {
    if (!isAllowed(request.host))
      throw new TidingsError(
        'FOREIGN_HOST',
        'this Host is not allowed here: add it to -ctl-hosts if it is yours',
      );
    if (isForeign(request))
      throw new TidingsError(
        'FOREIGN_ORIGIN',
        'pages of other origins may not use the control port',
      );
    if (token !== '' && !timingSafeEqual(digest(withScheme(request.authorization)), expected))
      throw new TidingsError(
        'CONTROL_TOKEN_INVALID',
        'send Authorization: Bearer with the token of -ctl-token',
      );
  };
}

function hostCheck(hosts: readonly string[]): (host: string) => boolean {
  const allowed = new Set(['localhost', ...hosts.map((host) => host.toLowerCase())]);
  let lastGood = '';
  // A backend says the same each time, which is cheaper to compare than to take apart.
  return (host) => {
    if (host === lastGood && host !== '') return true;
    const name = hostName(host);
    const isGood = isIP(name) !== 0 || allowed.has(name);
    if (isGood) lastGood = host;
    return isGood;
  };
}

const hostName = (host: string): string => {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
};

// A page that this very port served has our own Host as its origin.
function isForeign({ host, origin, secFetchSite }: RequestOrigin): boolean {
  if (secFetchSite.toLowerCase() === 'cross-site') return true;
  if (origin === '') return false;
  const own = host.toLowerCase();
  return origin !== `http://${own}` && origin !== `https://${own}`;
}

// The scheme's name is case-insensitive (RFC 9110, 11.1).
const withScheme = (authorization: string): string => authorization.replace(/^bearer /i, 'Bearer ');

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
