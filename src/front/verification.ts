/** What verifies tokens in one thread, by the kind of key that is configured. */
import { publicKeyVerifier, secretVerifier, type Verify } from '../auth/auth.ts';
import type { TokenRules } from '../auth/claims.ts';
import { Issuer, type LookUp } from '../auth/issuer.ts';
import type { IssuerKey } from '../auth/jwks.ts';
import { issuerVerifier, KeyRing } from '../auth/key-ring.ts';
import type { TokenKeys } from '../config/keys.ts';
import type { Logger } from '../logger.ts';

export interface VerificationOptions {
  readonly keys: TokenKeys;
  readonly rules: TokenRules;
  readonly logger: Logger;
  /** Asks another thread about keys of an issuer; undefined: this one asks the issuer itself. */
  readonly lookUp?: LookUp | undefined;
}

export class Verification {
  readonly verify: Verify;
  #issuer: Issuer | undefined;
  readonly #ring: KeyRing | undefined;

  /** @throws TidingsError `CONFIG_INVALID` */
  constructor({ keys, rules, logger, lookUp }: VerificationOptions) {
    if (keys.kind !== 'jwks') {
      this.verify = verifierOf(keys, rules);
      return;
    }
    const ring = new KeyRing(lookUp ?? this.#ownIssuer(keys.url, logger));
    this.verify = issuerVerifier(ring, rules);
    this.#ring = ring;
  }

  /** False while not a single key is known; undefined: there is no issuer, or another thread asks it. */
  get hasKeys(): boolean | undefined {
    return this.#issuer?.hasKeys;
  }

  start(): void {
    this.#issuer?.start();
  }

  /** Keys that another thread has got. */
  replace(keys: readonly IssuerKey[]): void {
    this.#ring?.replace(keys);
  }

  close(): void {
    this.#issuer?.close();
  }

  #ownIssuer(url: string, logger: Logger): LookUp {
    const issuer = new Issuer({ url, logger, changed: (keys) => this.replace(keys) });
    this.#issuer = issuer;
    return (kid) => issuer.lookUp(kid);
  }
}

function verifierOf(keys: Exclude<TokenKeys, { kind: 'jwks' }>, rules: TokenRules): Verify {
  if (keys.kind === 'public-key') return publicKeyVerifier(keys.pem, rules);
  const { secret, previousSecret } = keys;
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret];
  return secretVerifier(secrets, rules);
}
