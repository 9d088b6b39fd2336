/** Command line and environment to a checked, frozen configuration; every fault is one sentence. */
import { availableParallelism, platform } from 'node:os';
import mri from 'mri';
import type { TokenRules } from '../auth/claims.ts';
import { failStart as fail } from '../errors.ts';
import {
  isLoopback,
  type ListenAddress,
  PeerResolver,
  parseListenAddress,
} from '../http/address.ts';
import { isOrigin, originPattern } from '../http/origin.ts';
import { KEY_SOURCES, type TokenKeys, tokenKeys } from './keys.ts';
import { checkNats } from './nats-options.ts';
import { envName, hasVariable, OPTIONS, type OptionName, type OptionSpec } from './options.ts';
import { tokenRules } from './token-rules.ts';

/** `-memory` is given in megabytes. */
export const BYTES_PER_MEGABYTE = 1_048_576;

/** Threads at most. */
const MAX_THREADS = 64;

type Value<S> = S extends { kind: 'integer' }
  ? number
  : S extends { kind: 'switch' }
    ? boolean
    : S extends { kind: 'list' }
      ? readonly string[]
      : string;

/** Option values by flag name, converted and within their limits. */
export type OptionValues = { readonly [K in OptionName]: Value<(typeof OPTIONS)[K]> };

export interface Config extends OptionValues {
  readonly publicAddress: ListenAddress;
  readonly controlAddress: ListenAddress;
  /** Undefined: no second control listener. */
  readonly compatAddress: ListenAddress | undefined;
  readonly peers: PeerResolver;
  readonly tokens: TokenRules;
  /** 1: streams are served by the main thread itself. */
  readonly threadCount: number;
  /** Undefined when no secret is set at all: refused, unless one may be made up. */
  readonly keys: TokenKeys | undefined;
}

/**
 * Lists that nobody means to be empty: taken as "not given", two would switch off a guard, and the third
 * would start a node of its own beside the others.
 */
const NEVER_EMPTY: readonly string[] = ['issuer', 'audience', 'nats'];

/** Reads flags and environment. @throws TidingsError `CONFIG_INVALID` */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): OptionValues {
  const given = parseFlags(argv);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(OPTIONS)) {
    const fromEnv = isOverruled(name, given) ? undefined : env[envName(name)];
    const raw = given[name] ?? fromEnv;
    const source = given[name] === undefined ? envName(name) : `-${name}`;
    // Nobody means an empty secret, token or file; taken as "not given" it would switch off a guard.
    if (raw === '' && spec.kind === 'text') fail(`${source} must not be empty`);
    values[name] = convert(source, spec, raw ?? String(spec.fallback));
    if (raw !== undefined && NEVER_EMPTY.includes(name) && (values[name] as unknown[]).length === 0)
      fail(`${source} must not be empty: name at least one, or leave it out`);
  }
  return Object.freeze(values) as OptionValues;
}

// Flags win for the key as a whole: one that names it leaves no room for another from the environment.
function isOverruled(name: string, given: Readonly<Record<string, string>>): boolean {
  if (!hasVariable(name)) return true;
  if (name === 'previous-secret')
    return given['public-key'] !== undefined || given['jwks'] !== undefined;
  const isSource = KEY_SOURCES.some((source) => source === name);
  return isSource && KEY_SOURCES.some((source) => given[source] !== undefined);
}

/** Checks what options mean together and reads the files they name. @throws `CONFIG_INVALID` */
export function resolveConfig(values: OptionValues): Config {
  const controlAddress = controlAddressOf('bindctl', values);
  const compat = values['bindctl-compat'];
  if (!/^[\x21-\x7e]*$/.test(values['ctl-token']))
    fail('-ctl-token must be printable ASCII without blanks: others do not survive in a header');
  if ((values.cert === '') !== (values.key === '')) fail('-cert and -key must be given together');
  const publicAddress = parseListenAddress('bind', values.bind);
  checkWebhook(values);
  checkNats(values);
  checkOrigins(values.cors);
  checkHeaderNames(values['cors-headers']);
  checkHostNames(values['ctl-hosts']);
  return Object.freeze({
    ...values,
    publicAddress,
    controlAddress,
    compatAddress: compat === '' ? undefined : controlAddressOf('bindctl-compat', values),
    peers: new PeerResolver(values['trust-proxy']),
    keys: tokenKeys(values),
    tokens: tokenRules(values),
    threadCount: threadsOf(values.threads, publicAddress),
  });
}

// A kernel spreads connections to a TCP port over those who listen on it; not all do, and none for a path.
function threadsOf(value: string, { kind }: ListenAddress): number {
  const count =
    value === 'auto' ? availableParallelism() : /^\d{1,2}$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > MAX_THREADS)
    fail(`-threads must be a whole number from 1 to ${MAX_THREADS}, or auto; got "${value}"`);
  return kind === 'unix' || platform() !== 'linux' ? 1 : count;
}

function controlAddressOf(flag: 'bindctl' | 'bindctl-compat', values: OptionValues): ListenAddress {
  const address = parseListenAddress(flag, values[flag]);
  if (!isLoopback(address) && values['ctl-token'] === '')
    fail(
      `-${flag} ${values[flag]} can be reached from other machines: set -ctl-token, or bind it to 127.0.0.1`,
    );
  return address;
}

// mri takes `-bind` for four short flags, and `-secret -x` for two flags: every flag becomes
// `--name=value` first. The last of a repeated flag wins, as in the server this one replaces.
function parseFlags(argv: readonly string[]): Record<string, string> {
  const normal: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const match = /^--?([a-z][a-z0-9-]*)(=.*)?$/s.exec(argv[i]!);
    const name = match?.[1] ?? '';
    if (match === null || !Object.hasOwn(OPTIONS, name))
      fail(unknownArgument(argv[i]!, argv[i - 1]));
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
function unknownArgument(argument: string, before = ''): string {
  if (argument.startsWith('-')) return `unknown flag ${argument.split('=')[0]}: see -help`;
  const name = before.replace(/^--?/, '');
  return before.startsWith('-') && Object.hasOwn(OPTIONS, name) // of another its value would stand here
    ? `-${name} must be true or false, or stand alone`
    : 'every argument must be a flag and its value: see -help';
}

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

function checkWebhook(values: OptionValues): void {
  const { webhook, 'webhook-secret': secret, 'previous-webhook-secret': previous } = values;
  if (webhook !== '' && !/^https?:$/.test(protocolOf(webhook)))
    fail('-webhook must be an http or https URL');
  if (webhook !== '' && new URL(webhook).username + new URL(webhook).password !== '')
    fail('-webhook must hold no name or password: the signature says who sends');
  if ((webhook === '') !== (secret === '') || (previous !== '' && secret === ''))
    fail('-webhook and -webhook-secret must be given together');
  for (const one of [secret, previous]) {
    const bytes = Buffer.from(one.replace(/^whsec_/, ''), 'base64').length;
    if (one !== '' && !(/^whsec_[A-Za-z0-9+/]+=*$/.test(one) && bytes >= 24 && bytes <= 64))
      fail('-webhook-secret must be whsec_ and 24 to 64 bytes in base64: openssl rand -base64 32');
  }
}

const protocolOf = (url: string): string => (URL.canParse(url) ? new URL(url).protocol : '');

function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    if (origin === '*' && origins.length === 1) continue;
    if (isOrigin(origin) || originPattern(origin) !== undefined) continue;
    fail(
      `-cors takes exact origins such as https://app.example or capacitor://localhost, https://*.app.example for all below it, or * alone; got "${origin}"`,
    );
  }
}

// Anything more than a name would never be met in a Host header once its port is taken off.
function checkHostNames(names: readonly string[]): void {
  const bad = names.find((name) => !/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name));
  if (bad !== undefined)
    fail(`-ctl-hosts takes names of hosts without scheme, port or *; got "${bad}"`);
}

function checkHeaderNames(names: readonly string[]): void {
  // With credentials a * is a name like any other (Fetch, "CORS-preflight fetch").
  const bad = names.find((name) => !/^[\w!#$%&'+.^`|~-]+$/.test(name));
  if (bad !== undefined)
    fail(`-cors-headers takes names of request headers such as traceparent; got "${bad}"`);
}
