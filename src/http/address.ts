/** Addresses: those we listen on, and those our peers come from. */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { TidingsError } from '../errors.ts';

export interface TcpAddress {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

export type ListenAddress = TcpAddress | { readonly kind: 'unix'; readonly path: string };

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
  return address.kind === 'unix' || isLoopbackHost(address.host);
}

/** The name of this machine for itself, or an address of its own. */
export const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && LOOPBACK.check(host, family(host)));

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** The one spelling of an address, dotted for IPv4, also when mapped into IPv6; other text as it is. */
export const normaliseAddress = (text: string): string => parseAddress(text) ?? text;

function parseAddress(text: string): string | undefined {
  if (isIPv4(text)) return text; // there is one way only to write it
  // A zone means something only on the machine that wrote it.
  const [bare = ''] = text.split('%', 1);
  // ipaddr.js by itself also reads octal and short forms, which others take for other addresses.
  return isIP(bare) === 0 ? undefined : ipaddr.process(bare).toString();
}

/** `[2001:db8::1]:443`, `192.0.2.1:1111`: some proxies add the port of the client. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/;

function parseHop(hop: string): string | undefined {
  const match = WITH_PORT.exec(hop);
  return parseAddress(match?.[1] ?? match?.[2] ?? hop);
}

/**
 * What counts as one client: an IPv4 address, or the IPv6 network of so many bits, since whoever has
 * one address there has the whole network as a rule. Other text stands for itself.
 */
export function clientOf(address: string, prefix6: number): string {
  if (!address.includes(':') || !isIPv6(address)) return address; // Node's expression is long
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/${prefix6}`)}/${prefix6}`;
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
   * The right-most address of X-Forwarded-For that is no trusted proxy, without its port; entries
   * left of it were written by whoever sent the request. `peer` must be normalised.
   */
  resolve(peer: string, forwardedFor: string): string {
    if (!this.#trustsAny || !this.#isTrusted(peer)) return peer;
    for (const hop of forwardedFor.split(',').reverse()) {
      const address = parseHop(hop.trim());
      if (address === undefined) return peer;
      if (!this.#isTrusted(address)) return address;
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
    if (isIP(address) === 0 || address.includes('%') || !isWhole || prefix > width) {
      const message = `-trust-proxy takes addresses and networks such as 10.0.0.0/8, got "${item}"`;
      throw new TidingsError('CONFIG_INVALID', message);
    }
    this.#trusted.addSubnet(address, prefix, family(address));
  }
}
