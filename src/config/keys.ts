/** The key that verifies tokens: from which option, and whether it can be one. */
import { readFileSync } from 'node:fs';
import { failStart as fail } from '../errors.ts';
import { isLoopbackHost } from '../http/address.ts';

/** How tokens are verified and, with a secret, signed. */
export type TokenKeys =
  | { readonly kind: 'secret'; readonly secret: string; readonly previousSecret?: string }
  | { readonly kind: 'public-key'; readonly pem: string }
  /** Those that an issuer publishes at this address. */
  | { readonly kind: 'jwks'; readonly url: string };

/** The options that give the key: one of them at a time. */
export const KEY_SOURCES = ['secret', 'secret-file', 'public-key', 'jwks'] as const;

/** Empty: not given. */
export type KeyOptions = Readonly<
  Record<(typeof KEY_SOURCES)[number] | 'previous-secret', string>
> & {
  readonly issuer: readonly string[];
  readonly audience: readonly string[];
};

/** @throws TidingsError `CONFIG_INVALID`; undefined when none is given at all */
export function tokenKeys(values: KeyOptions): TokenKeys | undefined {
  const sources = KEY_SOURCES.filter((source) => values[source] !== '');
  if (sources.length > 1)
    fail(
      `${sources.map((source) => `-${source}`).join(' and ')} exclude each other: give one of them`,
    );
  if (values['public-key'] !== '') return publicKey(values);
  if (values.jwks !== '') return issuerKeys(values);
  if (sources.length === 0) return undefined;
  return secretKeys(values);
}

function publicKey(values: KeyOptions): TokenKeys {
  if (values['previous-secret'] !== '') fail('-previous-secret has no meaning with -public-key');
  return { kind: 'public-key', pem: readFile('public-key', values['public-key']) };
}

// The keys of one issuer serve many: Google signs the tokens of every Firebase project with the same ones.
function issuerKeys({ jwks, issuer, audience, ...values }: KeyOptions): TokenKeys {
  if (values['previous-secret'] !== '') fail('-previous-secret has no meaning with -jwks');
  if (issuer.length + audience.length === 0)
    fail('-jwks needs -issuer or -audience: else tokens count that were made for others');
  const url = URL.canParse(jwks) ? new URL(jwks) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    fail('-jwks must be an address such as https://id.example/.well-known/jwks.json');
  if (url.username + url.password !== '') fail('-jwks must not hold a name or a password');
  if (url.protocol === 'http:' && !isLoopback(url))
    fail(`-jwks must be https, or anybody on the way could put in keys; got "${jwks}"`);
  return { kind: 'jwks', url: url.href };
}

const isLoopback = ({ hostname }: URL): boolean =>
  isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1'));

function secretKeys(values: KeyOptions): TokenKeys {
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
  // Bytes that are no text all become this one character: what is left could be guessed.
  if (secret.includes('\uFFFD'))
    fail('the secret is not text in UTF-8: write its bytes as hex or base64');
  if (trimmed.includes('-----BEGIN') || /^\{.*"kty"/s.test(trimmed))
    fail(
      'the secret is a key file: a public key goes to -public-key, a secret should be random bytes',
    );
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'the user that runs tidings may not read it',
};

/** The text of the file that `-flag` names. @throws TidingsError `CONFIG_INVALID` */
export function readFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    return fail(`-${flag}: cannot read ${path}, ${FILE_FAULTS[code] ?? 'see the code'} (${code})`);
  }
}
