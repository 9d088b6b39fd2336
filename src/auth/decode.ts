/**
 * From a token to a grant. fast-jwt does the cryptography with one pinned algorithm and nothing else: what
 * the claims must be is in `claims`.
 */
import { isUtf8 } from 'node:buffer';
import { createVerifier, TokenError } from 'fast-jwt';
import { type Claims, type Grant, grantOf, TokenRefused, type TokenRules } from './claims.ts';

/** Each goes with one kind of key. */
export type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** The claims of a token that one key has signed. It throws for every other. */
export type Decode = (token: string) => Claims;

/** Takes tokens of this algorithm only, whatever they say of themselves. `key`: a secret, or a public key in PEM. */
export function decoder(key: string, algorithm: Algorithm): Decode {
  return createVerifier({
    key,
    algorithms: [algorithm],
    cache: false,
    ignoreExpiration: true, // both are checked with the other claims
    ignoreNotBefore: true,
  });
}

/** What a token allows that one of the decoders takes. @throws TokenRefused */
export function grantFrom(decoders: readonly Decode[], token: string, rules: TokenRules): Grant {
  const claims = decodeWithOne(decoders, token);
  // The library decodes them lossily, which makes two names of different bytes one.
  if (!isUtf8(claimsBytes(token))) throw new TokenRefused('the claims are not UTF-8');
  return grantOf(claims, rules);
}

const claimsBytes = (token: string): Buffer =>
  Buffer.from(token.slice(token.indexOf('.') + 1, token.lastIndexOf('.')), 'base64url');

function decodeWithOne(decoders: readonly Decode[], token: string): Claims {
  let failure: unknown;
  for (const decode of decoders) {
    try {
      return decode(token);
    } catch (error) {
      failure = error;
    }
  }
  throw new TokenRefused(reasonOf(failure));
}

// Of the library's errors only the code is ours to log: their texts quote the token.
const reasonOf = (error: unknown): string =>
  error instanceof TokenError
    ? error.code.replace('FAST_JWT_', '').replaceAll('_', ' ').toLowerCase()
    : 'malformed';
