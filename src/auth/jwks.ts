/** The key set that an issuer publishes (RFC 7517), and which of its keys verify tokens here. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { type Algorithm, decoder } from './decode.ts';

/** Keys of one set that are looked at; real ones have two to ten. */
export const MAX_KEYS = 100;

/** Longest `kid`, in characters. */
export const MAX_KID_LENGTH = 256;

/** Shorter RSA keys are not safe (RFC 7518, 3.3), longer ones make each token cost milliseconds. */
const RSA_BITS = [2_048, 8_192] as const;

/** A key, and the one algorithm of its kind. Plain data, for other threads as well. */
export interface IssuerKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  readonly pem: string;
}

export interface KeySet {
  readonly keys: readonly IssuerKey[];
  /** Keys of the set that are for other purposes, or of kinds that are not taken. */
  readonly leftOut: number;
}

type Json = Readonly<Record<string, unknown>>;

/** The set, or a sentence that says why it is none. */
export function parseKeySet(text: string): KeySet | string {
  const set = parseJson(text);
  const listed = isObject(set) ? set['keys'] : undefined;
  if (!Array.isArray(listed)) return 'it is no key set: JSON with an array named keys';
  const keys: IssuerKey[] = [];
  for (const jwk of listed.slice(0, MAX_KEYS) as unknown[]) {
    const key = isObject(jwk) ? keyOf(jwk) : undefined;
    if (key !== undefined) keys.push(key);
  }
  return { keys, leftOut: listed.length - keys.length };
}

/** Text as JSON; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Published private halves are no secret: anybody could sign with them.
function keyOf(jwk: Json): IssuerKey | undefined {
  const { kid, use, key_ops: operations, alg } = jwk;
  if (!isKid(kid) || 'd' in jwk || 'k' in jwk) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  const algorithm = algorithmOf(jwk);
  if (algorithm === undefined || (alg !== undefined && alg !== algorithm)) return undefined;
  const pem = pemOf(jwk, algorithm);
  return pem === undefined ? undefined : { kid, algorithm, pem };
}

const isKid = (kid: unknown): kid is string | undefined =>
  kid === undefined || (typeof kid === 'string' && kid.length <= MAX_KID_LENGTH);

// By what the key is. Neither the token nor the name of an algorithm beside the key has a say.
function algorithmOf({ kty, crv }: Json): Algorithm | undefined {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
}

function pemOf({ kty, crv, n, e, x, y }: Json, algorithm: Algorithm): string | undefined {
  try {
    const key = createPublicKey({ key: { kty, crv, n, e, x, y } as JsonWebKey, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? RSA_BITS[0];
    if (bits < RSA_BITS[0] || bits > RSA_BITS[1]) return undefined;
    const pem = key.export({ type: 'spki', format: 'pem' }).toString();
    decoder(pem, algorithm); // throws for what it could not verify with
    return pem;
  } catch {
    return undefined;
  }
}
