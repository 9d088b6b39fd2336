/**
 * What the claims of a rightly signed token must be. Every check is ours: a library's idea of "valid"
 * is wider, and does not say in the log which claim was wrong.
 */

import { TidingsError } from '../errors.ts';
import { MAX_ID_LENGTH } from '../wire/event-id.ts';
import { EVERYONE, nameFault, numberAsName } from './names.ts';

/** Channels one token may name. */
export const MAX_CHANNELS_PER_TOKEN = 100;

/**
 * How far the clock of an issuer may be ahead of ours, in seconds: `iat` and `nbf` may lie so far
 * ahead, and `exp` so far past the longest life. Native EventSource gives up for good on a 401, so a
 * clock that differs by a second must not be one.
 */
export const CLOCK_TOLERANCE_SECONDS = 60;

/** What a verified token allows. */
export interface Grant {
  readonly userId: string;
  /** Without duplicates; at least one. */
  readonly channels: readonly string[];
  /** Unix seconds. */
  readonly exp: number;
  /** The id a stream starts behind that brings none of its own; at most 64 characters, of any kind. */
  readonly from: string | undefined;
}

/** What a rightly signed token holds. */
export type Claims = Readonly<Record<string, unknown>>;

export interface TokenRules {
  /** How far away `exp` may be, in seconds. */
  readonly maxLifeSeconds: number;
  /** Unix seconds. */
  readonly now?: () => number;
}

const INVALID = 'the token is missing, malformed, wrongly signed or expired';

/** A token that is not accepted: its sender learns nothing more, the log which check it failed. */
export class TokenRefused extends TidingsError {
  /** From a closed list; never anything of the token. */
  readonly reason: string;
  readonly claim: string | undefined;

  constructor(reason: string, claim?: string) {
    super('TOKEN_INVALID', INVALID);
    this.reason = reason;
    this.claim = claim;
  }
}

/** @throws TokenRefused naming the first claim that is not what it must be */
export function grantOf(claims: Claims, { maxLifeSeconds, now = unixSeconds }: TokenRules): Grant {
  const time = now();
  const exp = expOf(claimOf(claims, 'exp'), time, maxLifeSeconds);
  checkBegun('iat', claimOf(claims, 'iat'), time);
  checkBegun('nbf', claimOf(claims, 'nbf'), time);
  const userId = nameOf('userId', claimOf(claims, 'userId'));
  if (userId === EVERYONE)
    throw new TokenRefused('names recipients and cannot be an identity', 'userId');
  return {
    userId,
    channels: channelsOf(claimOf(claims, 'channel')),
    exp,
    from: fromOf(claimOf(claims, 'from')),
  };
}

// Never what is inherited.
const claimOf = (claims: Claims, name: string): unknown =>
  Object.hasOwn(claims, name) ? claims[name] : undefined;

function expOf(exp: unknown, now: number, maxLifeSeconds: number): number {
  if (typeof exp !== 'number') throw new TokenRefused('must be a number of Unix seconds', 'exp');
  if (exp <= now) throw new TokenRefused('has passed', 'exp');
  if (exp > now + maxLifeSeconds + CLOCK_TOLERANCE_SECONDS)
    throw new TokenRefused(
      'is further away than -max-token-life: it must be Unix seconds, not milliseconds',
      'exp',
    );
  return exp;
}

function checkBegun(claim: string, time: unknown, now: number): void {
  if (time === undefined) return;
  if (typeof time !== 'number') throw new TokenRefused('must be a number of Unix seconds', claim);
  if (time > now + CLOCK_TOLERANCE_SECONDS)
    throw new TokenRefused('is in the future: compare the clocks of issuer and server', claim);
}

function channelsOf(channel: unknown): readonly string[] {
  if (!Array.isArray(channel)) return [nameOf('channel', channel)];
  const names: readonly unknown[] = channel;
  if (names.length === 0 || names.length > MAX_CHANNELS_PER_TOKEN)
    throw new TokenRefused(`must have 1 to ${MAX_CHANNELS_PER_TOKEN} names`, 'channel');
  const checked = new Set<string>();
  for (const name of names) checked.add(nameOf('channel', name));
  return [...checked];
}

function nameOf(claim: string, value: unknown): string {
  const name = numberAsName(value);
  const fault = nameFault(name);
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
