/** What a body says of itself: the type, the charset and the coding of its bytes. */
import { TidingsError } from '../errors.ts';

export interface MediaType {
  /** In lower case, without parameters; empty when there is none. */
  readonly name: string;
  /** Divides the parts of `multipart/form-data`; undefined when there is none. */
  readonly boundary: string | undefined;
}

/** Longest boundary (RFC 2046, 5.1.1), in characters. */
const MAX_BOUNDARY_LENGTH = 70;

/** Longest piece of a header that an error message repeats, in characters. */
const MAX_ECHO_LENGTH = 40;

const UTF8_CHARSETS: readonly string[] = ['utf-8', 'utf8', 'us-ascii', 'ascii'];

const PARAMETER = /;[ \t]*([\w-]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^;\s]*))/g;

/** @throws TidingsError `MEDIA_TYPE_UNSUPPORTED` for a charset other than UTF-8, naming it */
export function parseMediaType(header: string): MediaType {
  if (!header.includes(';')) return { name: header.trim().toLowerCase(), boundary: undefined };
  const name = header.split(';', 1)[0]!.trim().toLowerCase();
  let boundary: string | undefined;
  for (const [, key, quoted, plain] of header.matchAll(PARAMETER)) {
    const value = quoted ?? plain ?? '';
    if (key!.toLowerCase() === 'charset') checkCharset(value);
    if (key!.toLowerCase() === 'boundary' && isBoundary(value)) boundary = value;
  }
  return { name, boundary };
}

const isBoundary = (value: string): boolean =>
  value.length > 0 && value.length <= MAX_BOUNDARY_LENGTH;

function checkCharset(charset: string): void {
  if (!UTF8_CHARSETS.includes(charset.toLowerCase()))
    throw unsupported(`charset ${echo(charset)} is not supported: send the body as UTF-8`);
}

/** @throws TidingsError `MEDIA_TYPE_UNSUPPORTED` for a body that is compressed, naming how */
export function checkContentEncoding(header: string): void {
  if (header !== '' && header.toLowerCase() !== 'identity')
    throw unsupported(`Content-Encoding ${echo(header)} is not supported: send the body as it is`);
}

export const unsupported = (message: string): TidingsError =>
  new TidingsError('MEDIA_TYPE_UNSUPPORTED', message);

const echo = (value: string): string => value.slice(0, MAX_ECHO_LENGTH);
