/** Tokens: verified to a grant with keys that are at hand, and signed. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { createSigner } from 'fast-jwt';
import { TidingsError } from '../errors.ts';
import { claimsWith } from './claim-path.ts';
import {
  CHANNEL,
  type Grant,
  TokenRefused,
  type TokenRules,
  TokenUndecided,
  USER,
} from './claims.ts';
import { type Algorithm, decoder, grantFrom } from './decode.ts';

/**
 * Says what a token allows: at once where the keys are at hand, as a promise where they have to be asked for.
 * @throws TokenRefused, or rejects with it or with TokenUndecided
 */
export type Verify = (token: string) => Grant | Promise<Grant>;

/** One that never has to ask anybody. @throws TokenRefused */
export type VerifyNow = (token: string) => Grant;

/** What a token that is to be signed holds. */
export interface NewToken {
  readonly userId: string;
  readonly channels: readonly string[];
  /** Its life, from now. */
  readonly seconds: number;
  /** The id its streams start behind; undefined: at what is new. */
  readonly from?: string | undefined;
  /** By which it can be revoked; undefined: by its user only. */
  readonly tokenId?: string | undefined;
}

/** Verifies with the current secret, then with the previous one. */
export function secretVerifier(secrets: readonly string[], rules: TokenRules): VerifyNow {
  const decoders = secrets.map((key) => decoder(key, 'HS256'));
  return (token) => grantFrom(decoders, token, rules);
}

/**
 * Verifies with a public key, by the algorithm that goes with its kind.
 * @throws TidingsError `CONFIG_INVALID` for anything but RSA, P-256 and Ed25519 keys
 */
export function publicKeyVerifier(pem: string, rules: TokenRules): VerifyNow {
  const decoders = [decoder(pem, algorithmOf(pem))];
  return (token) => grantFrom(decoders, token, rules);
}

/**
 * The grant of the first token that is good.
 * @throws TokenRefused with the reason of the first; TokenUndecided where one of them may yet be good
 */
export function firstGrant(
  tokens: readonly string[],
  verify: Verify,
  earlier?: NotGranted,
): Grant | Promise<Grant> {
  let failure = earlier;
  for (const [i, token] of tokens.entries()) {
    try {
      const grant = verify(token);
      if (!(grant instanceof Promise)) return grant;
      const first = failure;
      return grant.catch((error) => firstGrant(tokens.slice(i + 1), verify, worse(first, error)));
    } catch (error) {
      failure = worse(failure, error);
    }
  }
  throw failure ?? new TokenRefused('no token in the request');
}

type NotGranted = TokenRefused | TokenUndecided;

function worse(earlier: NotGranted | undefined, error: unknown): NotGranted {
  if (error instanceof TokenUndecided) return error;
  if (error instanceof TokenRefused) return earlier ?? error;
  throw error;
}

/** Signs tokens that `rules` accept. */
export function tokenSigner(secret: string, rules: TokenRules): (token: NewToken) => string {
  const { userClaim = USER, channelClaim = CHANNEL, issuers = [], audiences = [] } = rules;
  const signer = createSigner({ key: secret, algorithm: 'HS256' });
  return ({ userId, channels, seconds, from, tokenId: jti }) => {
    const channel = channels.length === 1 ? channels[0] : channels;
    const names = claimsWith([
      [userClaim, userId],
      [channelClaim, channel],
    ]);
    const exp = Math.floor(Date.now() / 1000) + seconds;
    return signer({ ...names, iss: issuers[0], aud: audiences[0], exp, from, jti });
  };
}

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
