/** What allows a start but is hardly meant: told once, in the log. */
import type { TokenKeys } from '../config/keys.ts';
import { envName, OPTIONS } from '../config/options.ts';
import type { Logger } from '../logger.ts';

/** Below this an attacker who has one token can search for the secret (RFC 7518, 3.2). */
const MIN_SECRET_BYTES = 32;

export interface WarnedOf {
  readonly keys: TokenKeys;
  /** As it was given, and what came of it. */
  readonly threads: string;
  readonly threadCount: number;
}

export function startWarnings(config: WarnedOf, env: NodeJS.ProcessEnv): string[] {
  return [...secretWarnings(config.keys), ...threadWarnings(config), ...variableWarnings(env)];
}

function threadWarnings({ threads, threadCount }: WarnedOf): string[] {
  if (threadCount > 1 || threads === '1' || threads === 'auto') return [];
  return [
    'streams are served by one thread: only Linux spreads connections over several, and only those to a TCP port; give -bind host:port, or leave out -threads',
  ];
}

function secretWarnings(keys: TokenKeys): string[] {
  if (keys.kind !== 'secret') return [];
  const warnings: string[] = [];
  if (Buffer.byteLength(keys.secret) < MIN_SECRET_BYTES)
    warnings.push(
      `the secret is shorter than ${MIN_SECRET_BYTES} bytes and can be guessed: use a longer one`,
    );
  for (const [name, secret] of Object.entries({
    secret: keys.secret,
    'previous secret': keys.previousSecret ?? '',
  })) {
    if (secret === secret.trim()) continue;
    warnings.push(
      `the ${name} begins or ends with a line end or blank, which counts: tokens signed without it are refused; only -secret-file leaves out the line end of a file`,
    );
  }
  return warnings;
}

function variableWarnings(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(Object.keys(OPTIONS).map(envName));
  const strange = Object.keys(env).filter(
    (name) => name.startsWith('TIDINGS_') && !known.has(name),
  );
  if (strange.length === 0) return [];
  return [`no option has these variables, which are left out: ${strange.sort().join(', ')}`];
}

/** Only told: the connections themselves are counted, against the limit as it then is. */
export function tellOfLowLimit(wanted: number, possible: number, logger: Logger): void {
  if (wanted > possible)
    logger.info(
      { wanted, possible },
      'the limit on open files allows fewer streams than max-streams',
    );
}
