/**
 * Tokens: verified to a grant, and signed. fast-jwt does the cryptography with one pinned algorithm and
 * nothing else: what the claims must be is in `claims`.
 */
import { isUtf8 } from 'node:buffer';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { createSigner, createVerifier, TokenError } from 'fast-jwt';
import { TidingsError } from '../errors.ts';
import { claimsWith } from './claim-path.ts';
import {
  CHANNEL,
  type Claims,
  type Grant,
  grantOf,
  TokenRefused,
  type TokenRules,
  USER,
} from './claims.ts';

/**
 * Says what a token allows: at once where the keys are at hand, as a promise where they have to be asked for.
 * @throws TokenRefused, or rejects with it
 */
export type Verify = (token: string) => Grant | Promise<Grant>;

/** One that never has to ask anybody. @throws TokenRefused */
export type VerifyNow = (token: string) => Grant;

type Decode = (token: string) => Claims;
type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** What a token that is to be signed holds. */
export interface NewToken {
  readonly userId: string;
  readonly channels: readonly string[];
  /** Its life, from now. */
  readonly seconds: number;
  /** The id its streams start behind; undefined: at what is new. */
  readonly from?: string | undefined;
}

/** Verifies with the current secret, then with the previous one. */
export function secretVerifier(secrets: readonly string[], rules: TokenRules): VerifyNow {
  return tokenVerifier(
    secrets.map((key) => decoder(key, 'HS256')),
    rules,
  );
}

/**
 * Verifies with a public key, by the algorithm that goes with its kind.
 * @throws TidingsError `CONFIG_INVALID` for anything but RSA, P-256 and Ed25519 keys
 */
export function publicKeyVerifier(pem: string, rules: TokenRules): VerifyNow {
  return tokenVerifier([decoder(pem, algorithmOf(pem))], rules);
}

/** The grant of the first token that is good. @throws TokenRefused with the reason of the first, as `verify` does */
export function firstGrant(
  tokens: readonly string[],
  verify: Verify,
  earlier?: TokenRefused,
): Grant | Promise<Grant> {
  let refusal = earlier;
  for (const [i, token] of tokens.entries()) {
    try {
      const grant = verify(token);
      if (!(grant instanceof Promise)) return grant;
      const first = refusal;
      return grant.catch((error) =>
        firstGrant(tokens.slice(i + 1), verify, refusalOf(error, first)),
      );
    } catch (error) {
      refusal = refusalOf(error, refusal);
    }
  }
  throw refusal ?? new TokenRefused('no token in the request');
}

function refusalOf(error: unknown, earlier: TokenRefused | undefined): TokenRefused {
  if (!(error instanceof TokenRefused)) throw error;
  return earlier ?? error;
}

/** Signs tokens that `rules` accept. */
export function tokenSigner(secret: string, rules: TokenRules): (token: NewToken) => string {
  const { userClaim = USER, channelClaim = CHANNEL, issuers = [], audiences = [] } = rules;
  const signer = createSigner({ key: secret, algorithm: 'HS256' });
  return ({ userId, channels, seconds, from }) => {
    const channel = channels.length === 1 ? channels[0] : channels;
    const names = claimsWith([
      [userClaim, userId],
      [channelClaim, channel],
    ]);
    const exp = Math.floor(Date.now() / 1000) + seconds;
    return signer({ ...names, iss: issuers[0], aud: audiences[0], exp, from });
  };
}

function decoder(key: string, algorithm: Algorithm): Decode {
  return createVerifier({
    key,
    algorithms: [algorithm],
    cache: false,
    ignoreExpiration: true, // both are checked with the other claims
    ignoreNotBefore: true,
  });
}

function tokenVerifier(decoders: readonly Decode[], rules: TokenRules): VerifyNow {
  return (token) => {
    const claims = decodeWithOne(decoders, token);
    // The library decodes them lossily, which makes two names of different bytes one.
    if (!isUtf8(claimsBytes(token))) throw new TokenRefused('the claims are not UTF-8');
    return grantOf(claims, rules);
  };
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

function algorithmOf(pem: string): Algorithm {
  const key = readPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new TidingsError('CONFIG_INVALID', '-public-key must be an RSA, P-256 or Ed25519 key');
}

function readPublicKey(pem: string): KeyObject {
  if (pem.includes('PRIVATE KEY'))
    throw new TidingsError(
      'CONFIG_INVALID',
      '-public-key is a private key: give the public half only',
    );
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new TidingsError('CONFIG_INVALID', '-public-key is not a public key in PEM form', {
      cause,
    });
  }
}
