/** An issuer of tokens: keys made with node:crypto alone, and a small server that publishes them. */
import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Owner } from './sse-client.ts';
import { base64url } from './tokens.ts';
import { undo } from './undo.ts';

export interface SigningKey {
  readonly kid: string;
  /** As an issuer publishes it. */
  readonly jwk: JsonWebKey;
  readonly privateKey: KeyObject;
  /** A token with these claims. `header`: in place of what it usually says. */
  token(claims: object, header?: object): string;
}

export type Kind = 'RS256' | 'ES256' | 'EdDSA';

const MAKE = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
} as const;

/** `more`: further members of the published key. */
export function newKey(kid: string, kind: Kind = 'RS256', more: object = {}): SigningKey {
  const { privateKey, publicKey } = MAKE[kind]();
  const jwk = { kid, use: 'sig', ...publicKey.export({ format: 'jwk' }), ...more };
  const token = (claims: object, header: object = {}) => {
    const head = { alg: kind, typ: 'JWT', kid, ...header };
    const input = `${base64url(JSON.stringify(head))}.${base64url(JSON.stringify(claims))}`;
    return `${input}.${signatureOf(input, kind, privateKey).toString('base64url')}`;
  };
  return { kid, jwk, privateKey, token };
}

function signatureOf(input: string, kind: Kind, key: KeyObject): Buffer {
  if (kind === 'EdDSA') return sign(null, Buffer.from(input), key);
  return sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
}

export const publish = (...keys: readonly SigningKey[]): object => ({
  keys: keys.map(({ jwk }) => jwk),
});

export class IssuerServer {
  /** How a request is answered; a test may put anything here. */
  answer: (res: ServerResponse) => void;
  /** Requests so far. */
  count = 0;
  url = '';

  constructor(set: object) {
    this.answer = () => {};
    this.publish(set);
  }

  publish(set: object | string): void {
    const text = typeof set === 'string' ? set : JSON.stringify(set);
    this.answer = (res) => res.setHeader('content-type', 'application/json').end(text);
  }

  fail(status = 500): void {
    this.answer = (res) => res.writeHead(status, { location: '/keys' }).end('{"keys":[]}');
  }
}

/** Listens on a free loopback port. Closed by `t.after`. */
export async function startIssuer(t: Owner, set: object): Promise<IssuerServer> {
  const issuer = new IssuerServer(set);
  const server = createServer((_, res) => {
    issuer.count += 1;
    issuer.answer(res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  return issuer;
}
