/** Certificate and key of the public listener. */
import { createSecureContext } from 'node:tls';
import type { Config } from '../config/config.ts';
import { readFile } from '../config/keys.ts';
import { TidingsError } from '../errors.ts';
import type { TlsFiles } from '../http/uws.ts';

/**
 * Undefined without `-cert`. The addon says only that construction failed, so the files are tried with
 * Node's own TLS first. @throws TidingsError `CONFIG_INVALID`
 */
export function tlsFiles({ cert, key }: Config): TlsFiles | undefined {
  if (cert === '') return undefined;
  const material = { cert: readFile('cert', cert), key: readFile('key', key) };
  try {
    createSecureContext(material);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TidingsError('CONFIG_INVALID', `-cert and -key are not a usable pair (${reason})`, {
      cause,
    });
  }
  return { cert_file_name: cert, key_file_name: key };
}
