/** Command line and environment to a checked, frozen configuration; every fault is one sentence. */
import { readFileSync } from 'node:fs';
import mri from 'mri';
import { isLoopback, type ListenAddress, PeerResolver, parseListenAddress } from './address.ts';
import { TidingsError } from './errors.ts';
import { envName, OPTIONS, type OptionName, type OptionSpec } from './options.ts';
import { isOrigin, originPattern } from './origin.ts';

type Value<S> = S extends { kind: 'integer' }
  ? number
  : S extends { kind: 'switch' }
    ? boolean
    : S extends { kind: 'list' }
      ? readonly string[]
      : string;

/** Option values by flag name, converted and within their limits. */
export type OptionValues = { readonly [K in OptionName]: Value<(typeof OPTIONS)[K]> };

/** How tokens are verified and, with a secret, signed. */
export type TokenKeys =
  | { readonly kind: 'secret'; readonly secret: string; readonly previousSecret?: string }
  | { readonly kind: 'public-key'; readonly pem: string };

export interface Config extends OptionValues {
  readonly publicAddress: ListenAddress;
  readonly controlAddress: ListenAddress;
  readonly peers: PeerResolver;
  /** Undefined when no secret is set at all: refused, unless one may be made up. */
  readonly keys: TokenKeys | undefined;
}

/** Reads flags and environment. @throws TidingsError `CONFIG_INVALID` */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): OptionValues {
  const given = parseFlags(argv);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(OPTIONS)) {
    const fromEnv = env[envName(name)];
    const raw = given[name] ?? fromEnv;
    const source = given[name] === undefined ? envName(name) : `-${name}`;
    // Nobody means an empty secret, token or file; taken as "not given" it would switch off a guard.
    if (raw === '' && spec.kind === 'text') fail(`${source} must not be empty`);
    values[name] = convert(source, spec, raw ?? String(spec.fallback));
  }
  return Object.freeze(values) as OptionValues;
}

/** Checks what options mean together and reads the files they name. @throws `CONFIG_INVALID` */
export function resolveConfig(values: OptionValues): Config {
  const controlAddress = parseListenAddress('bindctl', values.bindctl);
  if (!isLoopback(controlAddress) && values['ctl-token'] === '')
    fail(
      `-bindctl ${values.bindctl} can be reached from other machines: set -ctl-token, or bind it to 127.0.0.1`,
    );
  if (!/^[\x21-\x7e]*$/.test(values['ctl-token']))
    fail('-ctl-token must be printable ASCII without blanks: others do not survive in a header');
  if ((values.cert === '') !== (values.key === '')) fail('-cert and -key must be given together');
  checkOrigins(values.cors);
  checkHeaderNames(values['cors-headers']);
  return Object.freeze({
    ...values,
    publicAddress: parseListenAddress('bind', values.bind),
    controlAddress,
    peers: new PeerResolver(values['trust-proxy']),
    keys: tokenKeys(values),
  });
}

// mri takes `-bind` for four short flags, and `-secret -x` for two flags: every flag becomes
// `--name=value` first. The last of a repeated flag wins, as in the server this one replaces.
function parseFlags(argv: readonly string[]): Record<string, string> {
  const normal: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const match = /^--?([a-z][a-z0-9-]*)(=.*)?$/s.exec(argv[i]!);
    const name = match?.[1] ?? '';
    if (match === null || !Object.hasOwn(OPTIONS, name)) fail(unknownArgument(argv[i]!));
    if (match[2] !== undefined) normal.push(`--${name}${match[2]}`);
    else if (OPTIONS[name as OptionName].kind === 'switch')
      normal.push(`--${name}=${isSwitchValue(argv[i + 1]) ? argv[++i] : 'true'}`);
    else if (i + 1 < argv.length) normal.push(`--${name}=${argv[++i]}`);
    else fail(`-${name} needs a value`);
  }
  const parsed = mri(normal, { string: Object.keys(OPTIONS) });
  const last = (value: unknown): string => String(Array.isArray(value) ? value.at(-1) : value);
  return Object.fromEntries(
    Object.keys(OPTIONS)
      .filter((name) => normal.some((flag) => flag.startsWith(`--${name}=`)))
      .map((name) => [name, last(parsed[name])]),
  );
}

// A switch may stand alone, so only these can be its value.
const isSwitchValue = (next: string | undefined): boolean => next === 'true' || next === 'false';

// Never the value of an argument: it may be a secret.
const unknownArgument = (argument: string): string =>
  argument.startsWith('-')
    ? `unknown flag ${argument.split('=')[0]}: see -help`
    : 'every argument must be a flag and its value: see -help';

function convert(source: string, spec: OptionSpec, raw: string): unknown {
  switch (spec.kind) {
    case 'text':
      return raw;
    case 'list':
      return raw
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'switch':
      if (raw === 'true' || raw === '1') return true;
      if (raw === 'false' || raw === '0') return false;
      if (raw === '') return spec.fallback;
      return fail(`${source} must be true or false, got "${raw}"`);
    case 'choice':
      if (spec.choices.includes(raw)) return raw;
      return fail(`${source} must be one of ${spec.choices.join(', ')}, got "${raw}"`);
    case 'integer': {
      const value = /^\d{1,12}$/.test(raw) ? Number(raw) : Number.NaN;
      if (value >= spec.min && value <= spec.max) return value;
      return fail(`${source} must be a whole number from ${spec.min} to ${spec.max}, got "${raw}"`);
    }
  }
}

function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    if (origin === '*' && origins.length === 1) continue;
    if (isOrigin(origin) || originPattern(origin) !== undefined) continue;
    fail(
      `-cors takes exact origins such as https://app.example or capacitor://localhost, https://*.app.example for all below it, or * alone; got "${origin}"`,
    );
  }
}

function checkHeaderNames(names: readonly string[]): void {
  // With credentials a * is a name like any other (Fetch, "CORS-preflight fetch").
  const bad = names.find((name) => !/^[\w!#$%&'+.^`|~-]+$/.test(name));
  if (bad !== undefined)
    fail(`-cors-headers takes names of request headers such as traceparent; got "${bad}"`);
}

function tokenKeys(values: OptionValues): TokenKeys | undefined {
  const sources = [
    values.secret !== '' && '-secret',
    values['secret-file'] !== '' && '-secret-file',
    values['public-key'] !== '' && '-public-key',
  ].filter((source) => source !== false);
  if (sources.length > 1) fail(`${sources.join(' and ')} exclude each other: give one of them`);
  if (values['public-key'] !== '') return publicKey(values);
  if (sources.length === 0) return undefined;
  return secretKeys(values);
}

function publicKey(values: OptionValues): TokenKeys {
  if (values['previous-secret'] !== '') fail('-previous-secret has no meaning with -public-key');
  return { kind: 'public-key', pem: readFile('public-key', values['public-key']) };
}

function secretKeys(values: OptionValues): TokenKeys {
  const file = values['secret-file'];
  const secret =
    file === '' ? values.secret : readFile('secret-file', file).replace(/[\r\n]+$/, '');
  const previousSecret = values['previous-secret'];
  checkSecret(secret);
  if (previousSecret === '') return { kind: 'secret', secret };
  checkSecret(previousSecret);
  return { kind: 'secret', secret, previousSecret };
}

// A published key used as an HMAC secret would let anybody sign (RFC 8725, 2.1).
function checkSecret(secret: string): void {
  const trimmed = secret.trim();
  if (trimmed === '')
    fail(
      'the secret is empty: use at least 32 random bytes, for example from `openssl rand -hex 32`',
    );
  if (trimmed.includes('-----BEGIN') || /^\{.*"kty"/s.test(trimmed))
    fail(
      'the secret is a key file: a public key goes to -public-key, a secret should be random bytes',
    );
}

export function readFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    return fail(`-${flag}: cannot read ${path} (${reason})`);
  }
}

function fail(message: string): never {
  throw new TidingsError('CONFIG_INVALID', message);
}
