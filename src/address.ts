/** Addresses: those we listen on, and those our peers come from. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TidingsError } from './errors.ts';

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Longest path of a unix socket (sun_path on Linux, less its NUL), in bytes. */
const MAX_UNIX_PATH_BYTES = 107;

/** `host:port`, `[v6]:port`, `:port` for all interfaces, or `unix:/path`. @throws `CONFIG_INVALID` */
export function parseListenAddress(flag: string, value: string): ListenAddress {
  if (value.startsWith('unix:')) return parseUnix(flag, value.slice('unix:'.length));
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2] ?? '';
  if (match === null || port > 65_535 || (match[1] !== undefined && !isIPv6(match[1]))) {
    const message = `-${flag} must be host:port (port 0 to 65535) or unix:/path, got "${value}"`;
    throw new TidingsError('CONFIG_INVALID', message);
  }
  return { kind: 'tcp', host, port };
}

function parseUnix(flag: string, path: string): ListenAddress {
  if (path.startsWith('/') && Buffer.byteLength(path) <= MAX_UNIX_PATH_BYTES)
    return { kind: 'unix', path };
  const message = `-${flag} unix:… needs an absolute path of at most ${MAX_UNIX_PATH_BYTES} bytes, got "${path}"`;
  throw new TidingsError('CONFIG_INVALID', message);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine can reach it. A name other than localhost could be anything. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === 'unix' || address.host === 'localhost') return true;
  return isIP(address.host) !== 0 && LOOPBACK.check(address.host, family(address.host));
}

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** As the addon prints it, to what people write: dotted for IPv4, also when mapped into IPv6. */
export function normaliseAddress(address: string): string {
  const mapped = /^(?:0000:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/.exec(
    address,
  );
  if (mapped !== null)
    return mapped
      .slice(1)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.');
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** Stands in `-trust-proxy` for every peer on a unix socket, which has no address. */
const UNIX_PEERS = 'unix:';

/** Finds the address a request came from, behind proxies that are trusted to say so. */
export class PeerResolver {
  readonly #trusted = new BlockList();
  readonly #trustsUnix: boolean;
  readonly #trustsAny: boolean;

  /** @throws TidingsError `CONFIG_INVALID` for what is neither address nor network. */
  constructor(trusted: readonly string[]) {
    this.#trustsUnix = trusted.includes(UNIX_PEERS);
    this.#trustsAny = trusted.length > 0;
    for (const item of trusted) if (item !== UNIX_PEERS) this.#trust(item);
  }

  /**
   * The right-most address of X-Forwarded-For that is no trusted proxy; entries left of it were
   * written by whoever sent the request.
   */
  resolve(peer: string, forwardedFor: string): string {
    if (!this.#trustsAny || !this.#isTrusted(peer)) return peer;
    const hops = forwardedFor.split(',').map((hop) => normaliseAddress(hop.trim()));
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) return peer;
      if (!this.#isTrusted(hop)) return hop;
    }
    return peer;
  }

  #isTrusted(address: string): boolean {
    if (address === '') return this.#trustsUnix;
    return isIP(address) !== 0 && this.#trusted.check(address, family(address));
  }

  #trust(item: string): void {
    const [address = '', bits] = item.split('/');
    const width = isIPv6(address) ? 128 : 32;
    const prefix = bits === undefined ? width : Number(bits);
    const isWhole = bits === undefined || /^\d+$/.test(bits);
    if (isIP(address) === 0 || !isWhole || prefix > width) {
      const message = `-trust-proxy takes addresses and networks such as 10.0.0.0/8, got "${item}"`;
      throw new TidingsError('CONFIG_INVALID', message);
    }
    this.#trusted.addSubnet(address, prefix, family(address));
  }
}
