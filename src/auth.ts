/**
 * Tokens: verified to a grant, and signed. fast-jwt does the cryptography with one pinned algorithm;
 * what the claims must be is checked here, because a library's idea of "valid" is wider than ours.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { createSigner, createVerifier } from 'fast-jwt';
import { EVERYONE, nameFault } from './channel-name.ts';
import { TidingsError } from './errors.ts';

/** Channels one token may name. */
export const MAX_CHANNELS_PER_TOKEN = 100;

/** How far an issuer's clock may be ahead of ours, in seconds. */
export const ISSUED_AT_TOLERANCE_SECONDS = 60;

/** What a verified token allows. */
export interface Grant {
  readonly userId: string;
  /** Without duplicates; at least one. */
  readonly channels: readonly string[];
  /** Unix seconds. */
  readonly exp: number;
}

type Verify = (token: string) => Grant;
type Decode = (token: string) => unknown;
type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

const INVALID = 'the token is missing, malformed, wrongly signed or expired';

/** The one error of every token that is not accepted: its sender learns nothing more. */
export const invalidToken = (cause?: unknown): TidingsError =>
  new TidingsError('TOKEN_INVALID', INVALID, { cause });

/** Verifies with the current secret, then with the previous one. */
export function secretVerifier(
  secrets: readonly string[],
  now: () => number = unixSeconds,
): Verify {
  return tokenVerifier(
    secrets.map((key) => decoder(key, 'HS256')),
    now,
  );
}

/**
 * Verifies with a public key, by the algorithm that goes with its kind.
 * @throws TidingsError `CONFIG_INVALID` for anything but RSA, P-256 and Ed25519 keys
 */
export function publicKeyVerifier(pem: string, now: () => number = unixSeconds): Verify {
  return tokenVerifier([decoder(pem, algorithmOf(pem))], now);
}

/** Signs tokens that live `seconds` from now. */
export function tokenSigner(
  secret: string,
  now: () => number = unixSeconds,
): (userId: string, channels: readonly string[], seconds: number) => string {
  const signer = createSigner({ key: secret, algorithm: 'HS256' });
  return (userId, channels, seconds) => {
    const channel = channels.length === 1 ? channels[0] : channels;
    return signer({ userId, channel, exp: Math.floor(now()) + seconds });
  };
}

function decoder(key: string, algorithm: Algorithm): Decode {
  return createVerifier({ key, algorithms: [algorithm], requiredClaims: ['exp'], cache: false });
}

function tokenVerifier(decoders: readonly Decode[], now: () => number): Verify {
  return (token) => {
    let cause: unknown;
    for (const decode of decoders) {
      try {
        return grantOf(decode(token), now());
      } catch (error) {
        cause = error;
      }
    }
    throw invalidToken(cause);
  };
}

function grantOf(claims: unknown, now: number): Grant {
  if (typeof claims !== 'object' || claims === null) throw invalidToken('claims are not an object');
  const own = (name: string): unknown =>
    Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined;
  const exp = own('exp');
  const iat = own('iat');
  if (typeof exp !== 'number' || !Number.isFinite(exp) || exp <= now) throw invalidToken('exp');
  if (iat !== undefined && !(typeof iat === 'number' && iat <= now + ISSUED_AT_TOLERANCE_SECONDS))
    throw invalidToken('iat');
  return { userId: userOf(own('userId')), channels: channelsOf(own('channel')), exp };
}

function userOf(userId: unknown): string {
  if (userId === EVERYONE || nameFault(userId) !== undefined) throw invalidToken('userId');
  return userId as string;
}

function channelsOf(channel: unknown): readonly string[] {
  const names: unknown[] = Array.isArray(channel) ? channel : [channel];
  if (names.length === 0 || names.length > MAX_CHANNELS_PER_TOKEN) throw invalidToken('channel');
  for (const name of names) if (nameFault(name) !== undefined) throw invalidToken('channel');
  return names.length === 1 ? (names as string[]) : [...new Set(names as string[])];
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

const unixSeconds = (): number => Date.now() / 1000;
