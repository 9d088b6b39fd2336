/**
 * Every option of the command line. Parsing, checks, `-help`, the environment variables and the
 * table in docs/reference.md all come from here.
 */

interface Common {
  /** One sentence, with the unit and what happens at the limit. */
  readonly about: string;
}

export type OptionSpec = Common &
  (
    | { readonly kind: 'text'; readonly fallback: string }
    | { readonly kind: 'switch'; readonly fallback: boolean }
    | { readonly kind: 'list'; readonly fallback: '' }
    | {
        readonly kind: 'integer';
        readonly fallback: number;
        readonly min: number;
        readonly max: number;
      }
    | { readonly kind: 'choice'; readonly fallback: string; readonly choices: readonly string[] }
  );

const text = (fallback: string, about: string) => ({ kind: 'text', fallback, about }) as const;
const list = (about: string) => ({ kind: 'list', fallback: '', about }) as const;
const flag = (about: string) => ({ kind: 'switch', fallback: false, about }) as const;
const on = (about: string) => ({ kind: 'switch', fallback: true, about }) as const;
const integer = (fallback: number, [min, max]: readonly [number, number], about: string) =>
  ({ kind: 'integer', fallback, min, max, about }) as const;

const DAY = 86_400;

export const OPTIONS = {
  bind: text('127.0.0.1:8000', 'address of the public listener: host:port, or unix:/path'),
  bindctl: text(
    '127.0.0.1:8001',
    'address of the control listener: host:port, or unix:/path; one that is not loopback needs -ctl-token',
  ),
  'bindctl-compat': text(
    '',
    'address of a second control listener, on Node’s own HTTP server, for clients that the first one turns away (HTTP/1.0, trailers, pipelining): slower, otherwise the same',
  ),
  secret: text(
    '',
    'secret that signs and verifies tokens (HS256); fewer than 32 bytes start with a warning',
  ),
  'secret-file': text('', 'file that holds the secret; a line end at its end does not count'),
  'previous-secret': text('', 'secret that still verifies tokens but signs none, for rotation'),
  'public-key': text(
    '',
    'PEM file with a public key (RSA: RS256, P-256: ES256, Ed25519: EdDSA) that verifies tokens; /token/ is off then',
  ),
  jwks: text(
    '',
    'https address of the keys of an issuer (a JWKS: the jwks_uri of OpenID Connect) that verify tokens, by RS256, ES256 or EdDSA as their kind says; needs -issuer or -audience; /token/ is off then',
  ),
  issuer: list(
    'values of iss, separated by commas, of which a token must have one, letter for letter; none: iss does not count. /token/ writes the first',
  ),
  audience: list(
    'values of aud, separated by commas, of which a token must have one; none: aud does not count. /token/ writes the first',
  ),
  'claim-user': text(
    'userId',
    'claim that holds the user’s id: a name such as sub, or, when it begins with /, a JSON Pointer such as /user/id',
  ),
  'claim-channel': text(
    'channel',
    'claim that holds one channel or an array of them: a name, or, when it begins with /, a JSON Pointer such as /realm_access/roles',
  ),
  'default-channel': list(
    'channels, separated by commas, of a token that names none; none: such a token is refused',
  ),
  'max-token-life': integer(
    10 * 365 * DAY,
    [1, 100 * 365 * DAY],
    'seconds that a token may have left at most: one whose exp is further away is refused, and /token/ makes none',
  ),
  dev: flag(
    'development: without a secret make one for this run, and serve a page to try streams at the control address',
  ),
  'ctl-token': text('', 'token that every control request must carry as Authorization: Bearer'),
  'ctl-hosts': list(
    'host names, separated by commas, allowed in the Host header of control requests besides addresses and localhost',
  ),
  cors: list(
    'origins, separated by commas, whose pages may open streams across sites, of any scheme; https://*.example.com: all below example.com; * allows all, without cookies',
  ),
  'cors-headers': list(
    'names of request headers, separated by commas, that such pages may send besides authorization, last-event-id and cache-control: traceparent, baggage, sentry-trace',
  ),
  'query-token': flag(
    'also take the token from the query (?token=), which ends up in logs of proxies',
  ),
  threads: text(
    '1',
    'threads that serve streams, 1 to 64, or auto: as many as there are cores for this process. With more than one, -bind must be host:port',
  ),
  heartbeat: integer(
    15,
    [1, 300],
    'longest silence on a stream, in seconds: a heartbeat comes before it',
  ),
  stall: integer(30, [1, 3_600], 'seconds a stream may take nothing before it is closed'),
  'max-streams': integer(
    100_000,
    [1, 10_000_000],
    'open streams at most; lowered to what the limit on open files allows. Further ones are told to come back later',
  ),
  'max-streams-per-user': integer(
    0,
    [0, 10_000_000],
    'open streams of one user at most, 0: no limit; further ones as -over-limit says',
  ),
  'max-streams-per-address': integer(
    0,
    [0, 10_000_000],
    'open streams from one address at most, 0: no limit; further ones as -over-limit says',
  ),
  'over-limit': {
    kind: 'choice',
    fallback: 'refuse',
    choices: ['refuse', 'replace'],
    about:
      'a user or an address that is full: refuse tells further streams to come back later; replace lets them in and ends the oldest, which is told to come back after 5 to 10 minutes',
  },
  'address-prefix6': integer(
    64,
    [1, 128],
    'bits of an IPv6 address that make one client for -max-streams-per-address: most have a whole /64',
  ),
  grace: integer(
    15,
    [1, 3_600],
    'seconds that a user without a stream is away before it counts as offline: a page that reconnects is back by then',
  ),
  webhook: text('', 'http or https URL that is told of users and channels coming and going'),
  'webhook-secret': text('', 'secret that signs what is told: whsec_ and 24 to 64 bytes in base64'),
  'previous-webhook-secret': text('', 'secret that signs as well, for rotation'),
  'max-body': integer(
    1_048_576,
    [1_024, 67_108_864],
    'bytes in the body of a control request at most; larger ones are refused (413) before they are read whole',
  ),
  'trust-proxy': list(
    'addresses or networks (10.0.0.0/8), separated by commas, whose X-Forwarded-For is believed, with ports or without; unix: for peers on a unix socket',
  ),
  cert: text(
    '',
    'PEM file with the certificate chain of the public listener; turns TLS on, with -key',
  ),
  key: text('', 'PEM file with the private key of -cert'),
  history: integer(
    1_000,
    [0, 1_000_000],
    'entries kept per channel, the oldest go first; 0 keeps only what blocked streams still need',
  ),
  'history-ttl': integer(300, [1, 30 * DAY], 'seconds an entry is kept at most'),
  memory: integer(
    256,
    [1, 1_048_576],
    'megabytes for all retained entries; over it the oldest of the largest channels go first',
  ),
  dedupe: integer(
    600,
    [1, DAY],
    'seconds for which a key of an emit is remembered after its last use, at least: repeated under it, an event is not emitted again. Keys take an eighth of -memory at most',
  ),
  drain: integer(
    10,
    [0, 3_600],
    'seconds over which streams are ended evenly when the server leaves; they return spread over as long. What stops it must wait 15 seconds longer',
  ),
  snapshot: text(
    '',
    'file into which retained events are written when the server leaves, and from which the next start takes them; none: that start knows nothing of them',
  ),
  nats: list(
    'NATS servers with JetStream, separated by commas (nats://host:port, tls://…, with user:password@ before the host where they want it): events go through them, to all nodes that name the same ones',
  ),
  'nats-creds': text('', 'file with the credentials of a NATS user'),
  'nats-ca': text(
    '',
    'PEM file with the authority that signed the certificates of the NATS servers',
  ),
  'nats-cert': text(
    '',
    'PEM file with the certificate that this node shows to NATS, with -nats-key',
  ),
  'nats-key': text('', 'PEM file with the private key of -nats-cert'),
  'nats-replicas': integer(
    1,
    [1, 5],
    'NATS servers that keep each event: 3 or 5 survive the loss of one or two of them',
  ),
  notices: on(
    'events of the server’s own (tidings.*) on streams; false for programs that take every event for theirs',
  ),
  'log-level': {
    kind: 'choice',
    fallback: 'info',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    about: 'least severe log lines to write, as JSON on standard error',
  },
  help: flag('print this list'),
  version: flag('print the version'),
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;

/** The environment variable that stands in for a flag. */
export const envName = (name: string): string =>
  `TIDINGS_${name.toUpperCase().replaceAll('-', '_')}`;

// Images set variables such as TIDINGS_VERSION for purposes of their own.
const FLAGS_ONLY: readonly string[] = ['help', 'version'];

export const hasVariable = (name: string): boolean => !FLAGS_ONLY.includes(name);

const rangeOf = (spec: OptionSpec): string => {
  if (spec.kind === 'integer') return `${spec.min} to ${spec.max}`;
  return spec.kind === 'choice' ? spec.choices.join(', ') : '';
};

/** The text of `-help`. */
export function helpText(): string {
  const rows = Object.entries(OPTIONS).map(([name, spec]: [string, OptionSpec]) => {
    const value = spec.kind === 'switch' ? switchValue(spec.fallback) : ` <${spec.kind}>`;
    const facts = [rangeOf(spec), defaultOf(spec)].filter((fact) => fact !== '').join('; ');
    return `  -${name}${value}\n      ${spec.about}${facts === '' ? '' : ` (${facts})`}`;
  });
  return `Usage: tidings [options]\n\nEvery option can be set as TIDINGS_<NAME> in the environment; flags win.\n\n${rows.join('\n')}\n`;
}

// Naming a switch turns it on; one that is on by itself is named to turn it off.
const switchValue = (isOn: boolean): string => (isOn ? ' <true or false>' : '');

const defaultOf = (spec: OptionSpec): string =>
  spec.fallback === '' || spec.fallback === false ? '' : `default ${spec.fallback}`;

/** The table in docs/reference.md. */
export function optionsMarkdown(): string {
  const rows = Object.entries(OPTIONS).map(([name, spec]: [string, OptionSpec]) => {
    const fallback = spec.fallback === '' || spec.fallback === false ? '' : `\`${spec.fallback}\``;
    return `| \`-${name}\` | ${hasVariable(name) ? `\`${envName(name)}\`` : ''} | ${fallback} | ${rangeOf(spec)} | ${spec.about} |`;
  });
  return [
    '| Flag | Environment | Default | Allowed | Meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
