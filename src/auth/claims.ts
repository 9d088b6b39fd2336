/**
 * What the claims of a rightly signed token must be. Every check is ours: a library's idea of "valid"
 * is wider, and does not say in the log which claim was wrong.
 */

import { TidingsError } from '../errors.ts';
import { MAX_ID_LENGTH } from '../wire/event-id.ts';
import { type ClaimPath, claimNamed, valueAt } from './claim-path.ts';
import { EVERYONE, nameFault, numberAsName, tokenChannelFault } from './names.ts';

/** Channels one token may name. */
export const MAX_CHANNELS_PER_TOKEN = 100;

/**
 * How far the clock of an issuer may be ahead of ours, in seconds: `iat` and `nbf` may lie so far
 * ahead, and `exp` so far past the longest life. Native EventSource gives up for good on a 401, so a
 * clock that differs by a second must not be one.
 */
export const CLOCK_TOLERANCE_SECONDS = 60;

/** Longest `jti` that can be revoked, in characters: code points, as a schema counts them. */
export const MAX_TOKEN_ID_LENGTH = 256;

/** Whether a token can be named by it. */
export const isTokenId = (id: string): boolean =>
  id !== '' &&
  (id.length <= MAX_TOKEN_ID_LENGTH ||
    (id.length <= 2 * MAX_TOKEN_ID_LENGTH && [...id].length <= MAX_TOKEN_ID_LENGTH));

/** What a verified token allows. */
export interface Grant {
  readonly userId: string;
  /** Without duplicates; at least one. */
  readonly channels: readonly string[];
  /** Unix seconds. */
  readonly exp: number;
  /** Unix seconds at which the token was made, whole; 0 when it does not say. */
  readonly issuedAt: number;
  /** Its `jti`; undefined when it has none that could be named. */
  readonly tokenId: string | undefined;
  /** The id a stream starts behind that brings none of its own; at most 64 characters, of any kind. */
  readonly from: string | undefined;
}

/** What a rightly signed token holds. */
export type Claims = Readonly<Record<string, unknown>>;

export interface TokenRules {
  /** How far away `exp` may be, in seconds. */
  readonly maxLifeSeconds: number;
  /** Where the user's id is; default `userId`. */
  readonly userClaim?: ClaimPath;
  /** Where the channels are; default `channel`. */
  readonly channelClaim?: ClaimPath;
  /** Channels of a token that names none; none of them: it is refused. */
  readonly defaultChannels?: readonly string[];
  /** `iss` must be one of them, letter for letter; none: it may be anything. */
  readonly issuers?: readonly string[];
  /** `aud` must be or hold one of them; none: it may be anything. */
  readonly audiences?: readonly string[];
  /** Unix seconds. */
  readonly now?: () => number;
}

const INVALID = 'the token is missing, malformed, wrongly signed or expired';

/** A token that is not accepted: its sender learns nothing more, the log which check it failed. */
export class TokenRefused extends TidingsError {
  /** From a closed list; never anything of the token. */
  readonly reason: string;
  readonly claim: string | undefined;
  /** Whose it was, of one that was good until its `exp`; otherwise nobody knows. */
  readonly expiredFor: string | undefined;

  constructor(reason: string, claim?: string, expiredFor?: string) {
    super('TOKEN_INVALID', INVALID);
    this.reason = reason;
    this.claim = claim;
    this.expiredFor = expiredFor;
  }

  /** It has expired, or does not count yet: a matter of clocks, not of keys. */
  get isUntimely(): boolean {
    return this.claim === 'exp' || this.claim === 'nbf' || this.claim === 'iat';
  }
}

/** Where a user's id is unless the rules say otherwise. */
export const USER = claimNamed('userId');
/** Where channels are unless the rules say otherwise. */
export const CHANNEL = claimNamed('channel');

/** A token that cannot be judged now, since the keys are not to be had: it may be good. */
export class TokenUndecided extends TidingsError {
  constructor() {
    super(
      'KEYS_UNAVAILABLE',
      'the keys that verify tokens are not to be had for now: come back later',
    );
  }
}

/** @throws TokenRefused naming the first claim that is not what it must be */
export function grantOf(claims: Claims, rules: TokenRules): Grant {
  const { maxLifeSeconds, now = unixSeconds } = rules;
  const time = now();
  const exp = expOf(claimOf(claims, 'exp'), time, maxLifeSeconds);
  if (exp > time) return othersOf(claims, rules, { exp, time });
  throw new TokenRefused('has passed', 'exp', expiredFor(claims, rules, { exp, time }));
}

/** By whose clock, and how long it is good. */
interface Term {
  readonly exp: number;
  readonly time: number;
}

function expiredFor(claims: Claims, rules: TokenRules, term: Term): string | undefined {
  try {
    return othersOf(claims, rules, term).userId;
  } catch {
    return undefined; // it was never good
  }
}

function othersOf(claims: Claims, rules: TokenRules, { exp, time }: Term): Grant {
  const { issuers = [], audiences = [] } = rules;
  const iat = checkBegun('iat', claimOf(claims, 'iat'), time);
  checkBegun('nbf', claimOf(claims, 'nbf'), time);
  if (issuers.length > 0) checkOneOf(issuers, 'iss', [claimOf(claims, 'iss')]);
  if (audiences.length > 0) checkOneOf(audiences, 'aud', [claimOf(claims, 'aud')].flat());
  return {
    userId: userOf(claims, rules),
    channels: channelsOf(claims, rules),
    exp,
    issuedAt: Math.floor(iat ?? 0),
    tokenId: tokenIdOf(claimOf(claims, 'jti')),
    from: fromOf(claimOf(claims, 'from')),
  };
}

// Never what is inherited.
const claimOf = (claims: Claims, name: string): unknown =>
  Object.hasOwn(claims, name) ? claims[name] : undefined;

function expOf(exp: unknown, now: number, maxLifeSeconds: number): number {
  if (typeof exp !== 'number') throw new TokenRefused('must be a number of Unix seconds', 'exp');
  if (exp > now + maxLifeSeconds + CLOCK_TOLERANCE_SECONDS)
    throw new TokenRefused(
      'is further away than -max-token-life: it must be Unix seconds, not milliseconds',
      'exp',
    );
  return exp;
}

function checkBegun(claim: string, time: unknown, now: number): number | undefined {
  if (time === undefined) return undefined;
  if (typeof time !== 'number') throw new TokenRefused('must be a number of Unix seconds', claim);
  if (time > now + CLOCK_TOLERANCE_SECONDS)
    throw new TokenRefused('is in the future: compare the clocks of issuer and server', claim);
  return time;
}

// Tokens were good with any `jti`, and stay so; one that cannot be named cannot be revoked by it.
function tokenIdOf(jti: unknown): string | undefined {
  const id = numberAsName(jti);
  return typeof id === 'string' && isTokenId(id) ? id : undefined;
}

function checkOneOf(
  allowed: readonly string[],
  claim: 'iss' | 'aud',
  values: readonly unknown[],
): void {
  if (values.some((value) => typeof value === 'string' && allowed.includes(value))) return;
  const option = claim === 'iss' ? '-issuer' : '-audience';
  throw new TokenRefused(`is not what ${option} says, letter for letter`, claim);
}

function userOf(claims: Claims, { userClaim = USER }: TokenRules): string {
  const userId = nameOf(userClaim.text, valueAt(claims, userClaim));
  if (userId !== EVERYONE) return userId;
  throw new TokenRefused('names recipients and cannot be an identity', userClaim.text);
}

function channelsOf(claims: Claims, rules: TokenRules): readonly string[] {
  const { channelClaim = CHANNEL, defaultChannels = [] } = rules;
  const channel = valueAt(claims, channelClaim);
  if (defaultChannels.length > 0 && namesNone(channel)) return defaultChannels;
  if (!Array.isArray(channel)) return [nameOf(channelClaim.text, channel, tokenChannelFault)];
  const names: readonly unknown[] = channel;
  if (names.length === 0 || names.length > MAX_CHANNELS_PER_TOKEN)
    throw new TokenRefused(`must have 1 to ${MAX_CHANNELS_PER_TOKEN} names`, channelClaim.text);
  const checked = new Set<string>();
  for (const name of names) checked.add(nameOf(channelClaim.text, name, tokenChannelFault));
  return [...checked];
}

// Issuers write a claim that has no value in each of these ways.
const namesNone = (channel: unknown): boolean =>
  channel === undefined || channel === null || (Array.isArray(channel) && channel.length === 0);

function nameOf(claim: string, value: unknown, faultOf = nameFault): string {
  const name = numberAsName(value);
  const fault = faultOf(name);
  if (fault !== undefined) throw new TokenRefused(fault, claim);
  return name as string;
}

// Whether it is an id of ours is said on the stream, as it is of one that a browser brings.
function fromOf(from: unknown): string | undefined {
  if (from === undefined) return undefined;
  if (typeof from === 'string' && from.length <= MAX_ID_LENGTH) return from;
  throw new TokenRefused(`must be a string of at most ${MAX_ID_LENGTH} characters`, 'from');
}

const unixSeconds = (): number => Date.now() / 1000;
