/** Origins as browsers write them into the header of that name (RFC 6454, 6.2), and hosts below one. */

/** Every subdomain of a host, for one scheme and port. */
export interface OriginPattern {
  /** `https://` */
  readonly start: string;
  /** `.example.com:8443` */
  readonly end: string;
}

// Apps and extensions have schemes of their own: capacitor://localhost, chrome-extension://….
const APP_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._~-]+(?::\d{1,5})?$/;

/** What a page served over HTTP, or an app, says of itself. Not `null`, which any page can say. */
export function isOrigin(text: string): boolean {
  if (text.includes('*') || !URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  // Only for the schemes of the web does a URL tell its origin; pages of file:// say null.
  return origin === 'null' ? protocol !== 'file:' && APP_ORIGIN.test(text) : origin === text;
}

// Nothing that could end a host: no port, user or path may stand before the part that is ours.
const LABELS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/** `https://*.example.com`; undefined for anything else, and for whole top-level domains. */
export function originPattern(text: string): OriginPattern | undefined {
  const [, start, end, host] = /^(https?:\/\/)\*(\.([a-z0-9.-]+)(?::\d+)?)$/.exec(text) ?? [];
  if (start === undefined || end === undefined || host === undefined) return undefined;
  if (!LABELS.test(host)) return undefined;
  if (!host.includes('.') && host !== 'localhost') return undefined;
  return isOrigin(`${start}a${end}`) ? { start, end } : undefined;
}

/** Whether it is one or more labels below the host of the pattern. */
export function matchesPattern(origin: string, { start, end }: OriginPattern): boolean {
  return (
    origin.startsWith(start) &&
    origin.endsWith(end) &&
    LABELS.test(origin.slice(start.length, -end.length))
  );
}
