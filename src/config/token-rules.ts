/** What tokens must say: from the options about claims. */
import { type ClaimPath, claimNamed, overlap, parseClaimPath } from '../auth/claim-path.ts';
import type { TokenRules } from '../auth/claims.ts';
import { tokenChannelFault } from '../auth/names.ts';
import { failStart as fail } from '../errors.ts';

/** Claims that mean something else. */
const TAKEN = ['exp', 'iat', 'nbf', 'iss', 'aud', 'from'].map(claimNamed);

export interface ClaimOptions {
  readonly 'max-token-life': number;
  readonly 'claim-user': string;
  readonly 'claim-channel': string;
  readonly 'default-channel': readonly string[];
  readonly issuer: readonly string[];
  readonly audience: readonly string[];
}

/** @throws TidingsError `CONFIG_INVALID` */
export function tokenRules(values: ClaimOptions): TokenRules {
  const userClaim = claimPath('claim-user', values['claim-user']);
  const channelClaim = claimPath('claim-channel', values['claim-channel']);
  if (overlap(userClaim, channelClaim))
    fail('-claim-user and -claim-channel must be two claims, neither within the other');
  const defaultChannels = [...new Set(values['default-channel'])];
  for (const name of defaultChannels) checkChannel(name);
  return {
    maxLifeSeconds: values['max-token-life'],
    userClaim,
    channelClaim,
    defaultChannels,
    issuers: values.issuer,
    audiences: values.audience,
  };
}

function claimPath(flag: string, text: string): ClaimPath {
  const path = parseClaimPath(text);
  if (path === undefined)
    fail(`-${flag}: in a pointer ~ is written as ~0 and / as ~1 (RFC 6901); got "${text}"`);
  if (TAKEN.some((taken) => overlap(taken, path)))
    fail(`-${flag} cannot be ${text}: that claim means something else`);
  return path;
}

function checkChannel(name: string): void {
  const fault = tokenChannelFault(name);
  if (fault !== undefined) fail(`-default-channel: a name ${fault}; got "${name}"`);
}
