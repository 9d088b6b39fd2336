/** Tokens that are to count no more: asked for, and listed. */
import { CLOCK_TOLERANCE_SECONDS } from '../auth/claims.ts';
import { checkName } from '../auth/names.ts';
import { TidingsError } from '../errors.ts';
import type { Answer } from '../http/answer.ts';
import type { Heard, Unheard } from '../hub/heard.ts';
import { byText, pageOf } from '../hub/pages.ts';
import type { Revocation } from '../hub/revocations.ts';
import { heard } from './asking.ts';
import type { Fields } from './fields.ts';
import { cursorFor, cursorIn, invalid, isText, limitOf, nameIn, queryFields } from './queries.ts';
import { checkIdentity, tokenIdOf } from './requests.ts';
import { type Call, get, post, type Route } from './router.ts';

/** Last second of the year 9999, in Unix seconds: what is later was meant as milliseconds. */
export const LAST_SECOND = 253_402_300_799;

export interface RevocationOptions {
  /**
   * Puts it in force everywhere, and ends what is open: how many streams, at each place.
   * @throws TidingsError, or rejects with one, when it is not kept
   */
  readonly revoke: (revocation: Revocation) => Promise<Heard<number>>;
  /** Those that still matter. */
  readonly list: () => Promise<Heard<Revocation>>;
  /** Longest life of a token, in seconds. */
  readonly maxTokenSeconds: number;
  /** Unix seconds. */
  readonly now?: () => number;
}

export class RevocationDesk {
  readonly #options: RevocationOptions;
  readonly #now: () => number;

  constructor(options: RevocationOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => Date.now() / 1_000);
  }

  get routes(): Route[] {
    return [
      post('/revoke/', (fields) => this.#revoke(fields)),
      get('/revocations/', (call) => this.#list(call)),
    ];
  }

  async #revoke(fields: Fields): Promise<Answer> {
    const revocation = this.#revocationOf(fields);
    const { answers, unheard } = await this.#options.revoke(revocation);
    const streams = answers.reduce((sum, count) => sum + count, 0);
    return heard({ ...told(revocation), streams, ...retryOf(unheard) }, unheard);
  }

  async #list({ query }: Call): Promise<Answer> {
    const fields = queryFields(query);
    const after = cursorIn(fields, isText);
    const { answers, unheard } = await this.#options.list();
    const { rows, next } = pageOf(answers, {
      compare: (a, b) => byText(placeOf(a), placeOf(b)),
      after: after === undefined ? undefined : fromPlace(after),
      limit: limitOf(fields),
    });
    const more = next === undefined ? {} : { next: cursorFor(placeOf(next)) };
    return heard({ revocations: rows.map(told), ...more }, unheard);
  }

  #revocationOf(fields: Fields): Revocation {
    const user = nameIn(fields, 'userId');
    checkIdentity(user, 'name a user, or change the secret, with which all tokens are gone');
    const tokenId = tokenIdOf(fields, 'tokenId');
    // A token may outlive its longest life by as much as its issuer's clock may be ahead.
    const until = Math.ceil(this.#now()) + this.#ttlIn(fields) + CLOCK_TOLERANCE_SECONDS;
    const issuedBefore = this.#issuedBeforeIn(fields);
    if (user !== undefined && tokenId === undefined) {
      return { kind: 'user', name: checkName('userId', user), issuedBefore, until };
    }
    if (user !== undefined) throw invalid('give userId or tokenId, not both: send two requests');
    if (tokenId === undefined)
      throw new TidingsError('FIELD_MISSING', 'say which tokens: userId, or tokenId');
    return { kind: 'token', name: tokenId, issuedBefore: 0, until };
  }

  #ttlIn(fields: Fields): number {
    const max = this.#options.maxTokenSeconds;
    const seconds = secondsIn(fields, 'ttl') ?? max;
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= max) return seconds;
    throw invalid(`ttl must be a whole number of seconds from 1 to ${max} (-max-token-life)`);
  }

  // A token says the second in which it was made: all of the present one counts as before now.
  #issuedBeforeIn(fields: Fields): number {
    const now = Math.floor(this.#now()) + 1;
    if ((fields.values.get('issuedBefore') ?? 'now') === 'now') return now;
    const seconds = secondsIn(fields, 'issuedBefore') ?? now;
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LAST_SECOND) return seconds;
    throw invalid('issuedBefore must be now, or whole Unix seconds, not milliseconds');
  }
}

// A form has only text; in JSON a number must be a number.
function secondsIn(fields: Fields, name: string): number | undefined {
  const value = fields.values.get(name);
  if (value === undefined) return undefined;
  if (typeof value === 'number') return value;
  return fields.isForm && typeof value === 'string' && /^\d{1,12}$/.test(value)
    ? Number(value)
    : Number.NaN;
}

const retryOf = (unheard: Unheard | undefined): object =>
  unheard === undefined
    ? {}
    : {
        message:
          'kept, but not every node has said that it is in force there: send it again until the answer is without this',
      };

const told = ({ kind, name, issuedBefore, until }: Revocation): object =>
  kind === 'user' ? { userId: name, issuedBefore, until } : { tokenId: name, until };

const placeOf = ({ kind, name }: Revocation): string => `${kind} ${name}`;

const fromPlace = (place: string): Revocation => ({
  kind: place.startsWith('user ') ? 'user' : 'token',
  name: place.slice(place.indexOf(' ') + 1),
  issuedBefore: 0,
  until: 0,
});
