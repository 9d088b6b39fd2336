/** Tokens that count no more, though they are rightly signed and not expired. */
import { TidingsError } from '../errors.ts';

/** Revocations kept at most: about 20 MB, with the longest names 100. None is ever dropped before its time. */
export const MAX_REVOCATIONS = 100_000;

/** `user`: all tokens of a user that were made before a moment. `token`: the one with this `jti`. */
export interface Revocation {
  readonly kind: 'user' | 'token';
  /** The user, or the id of the token. */
  readonly name: string;
  /** Unix seconds; of a `token` it does not matter. */
  readonly issuedBefore: number;
  /** Unix seconds until which such tokens may be about. */
  readonly until: number;
}

/** What of a token decides whether it is revoked. */
export interface Bearer {
  readonly user: string;
  /** Unix seconds; 0 when the token does not say, and then it counts as made before any moment. */
  readonly issuedAt: number;
  readonly tokenId: string | undefined;
}

export class Revocations {
  readonly #users = new Map<string, Revocation>();
  readonly #tokens = new Map<string, Revocation>();
  readonly #max: number;
  readonly #now: () => number;

  /** `now` is in Unix seconds. */
  constructor(max = MAX_REVOCATIONS, now: () => number = () => Date.now() / 1_000) {
    this.#max = max;
    this.#now = now;
  }

  /**
   * Adds one; of two for the same name the later moments count.
   * @throws TidingsError `REVOCATIONS_FULL`
   */
  add(revocation: Revocation): void {
    const { kind, name, issuedBefore, until } = revocation;
    const those = kind === 'user' ? this.#users : this.#tokens;
    const known = those.get(name);
    if (known === undefined) this.#makeRoom();
    // One whose time is over counts no more, also when it was not forgotten yet.
    const before = known !== undefined && known.until > this.#now() ? known : undefined;
    those.set(name, {
      kind,
      name,
      issuedBefore: Math.max(issuedBefore, before?.issuedBefore ?? 0),
      until: Math.max(until, before?.until ?? 0),
    });
  }

  /** Whether a token is revoked. */
  covers({ user, issuedAt, tokenId }: Bearer): boolean {
    if (this.count === 0) return false;
    const now = this.#now();
    const ofUser = this.#users.get(user);
    if (ofUser !== undefined && ofUser.until > now && issuedAt < ofUser.issuedBefore) return true;
    const ofToken = tokenId === undefined ? undefined : this.#tokens.get(tokenId);
    return ofToken !== undefined && ofToken.until > now;
  }

  /** Those that still matter. */
  list(): Revocation[] {
    this.#forget();
    return [...this.#users.values(), ...this.#tokens.values()];
  }

  get count(): number {
    return this.#users.size + this.#tokens.size;
  }

  #makeRoom(): void {
    if (this.count < this.#max) return;
    this.#forget();
    if (this.count < this.#max) return;
    throw new TidingsError(
      'REVOCATIONS_FULL',
      `${this.#max} revocations are kept, and none is past its ttl: revoke with a shorter ttl, or change the secret`,
    );
  }

  #forget(): void {
    const now = this.#now();
    for (const those of [this.#users, this.#tokens])
      for (const [name, { until }] of those) if (until <= now) those.delete(name);
  }
}
