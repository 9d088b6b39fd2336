/** The keys of an issuer as one thread has them, and tokens verified with them. */
import type { Verify } from './auth.ts';
import { type Grant, TokenRefused, type TokenRules, TokenUndecided } from './claims.ts';
import { type Decode, decoder, grantFrom } from './decode.ts';
import type { LookUp } from './issuer.ts';
import { type IssuerKey, isObject, MAX_KID_LENGTH, parseJson } from './jwks.ts';

/** Tokens that wait for an answer of the issuer at once; further ones are undecided. */
const MAX_WAITING = 10_000;

/** Keys that one token is tried with, if it names none or several have its name: each costs a verification. */
export const MAX_TRIED = 4;

export class KeyRing {
  readonly #lookUp: LookUp;
  #decoders: readonly Decode[] = [];
  #byName = new Map<string, Decode[]>();
  #waiting = 0;

  /** `lookUp` is asked for names that are not here; keys that it finds have to be here by then. */
  constructor(lookUp: LookUp) {
    this.#lookUp = lookUp;
  }

  /** These keys, and no others from now on. */
  replace(keys: readonly IssuerKey[]): void {
    this.#byName = new Map();
    this.#decoders = keys.map(({ kid, algorithm, pem }) => {
      const decode = decoder(pem, algorithm);
      if (kid !== undefined) this.#byName.set(kid, [...(this.#byName.get(kid) ?? []), decode]);
      return decode;
    });
  }

  /** Those that a token may be signed with which names this one, or none; undefined when there are none. */
  find(kid: string | undefined): readonly Decode[] | undefined {
    const found = kid === undefined ? this.#decoders : this.#byName.get(kid);
    return found === undefined || found.length === 0 ? undefined : found.slice(0, MAX_TRIED);
  }

  /** Asks for those that are not here. @throws TokenRefused, TokenUndecided */
  async fetch(kid: string | undefined): Promise<readonly Decode[]> {
    if (this.#waiting >= MAX_WAITING) throw new TokenUndecided();
    this.#waiting += 1;
    const known = await this.#lookUp(kid).finally(() => {
      this.#waiting -= 1;
    });
    if (known === 'absent') throw new TokenRefused('the issuer has no such key', 'kid');
    const found = known === 'known' ? this.find(kid) : undefined;
    if (found === undefined) throw new TokenUndecided();
    return found;
  }
}

/** At once with the keys that are there, later when they have to be asked for. */
export function issuerVerifier(ring: KeyRing, rules: TokenRules): Verify {
  const later = async (token: string, kid: string | undefined): Promise<Grant> =>
    grantFrom(await ring.fetch(kid), token, rules);
  return (token) => {
    const kid = kidOf(token);
    const decoders = ring.find(kid);
    return decoders === undefined ? later(token, kid) : grantFrom(decoders, token, rules);
  };
}

function kidOf(token: string): string | undefined {
  const head = Buffer.from(token.slice(0, Math.max(0, token.indexOf('.'))), 'base64url');
  const header = parseJson(head.toString());
  if (!isObject(header)) throw new TokenRefused('malformed');
  const kid = Object.hasOwn(header, 'kid') ? header['kid'] : undefined;
  if (kid === undefined || (typeof kid === 'string' && kid.length <= MAX_KID_LENGTH)) return kid;
  throw new TokenRefused(`must be text of at most ${MAX_KID_LENGTH} characters`, 'kid');
}
