/**
 * Forms as `multipart/form-data` (RFC 7578), without files. The body is in memory, whole and decoded,
 * so this is a split: the libraries for it read streams, hand out files, and decode with loss.
 */
import { TidingsError } from '../errors.ts';
import { type FormField, MAX_FORM_FIELDS, tooManyFields } from './form.ts';
import { parseMediaType, unsupported } from './media-type.ts';

/** @throws TidingsError `BODY_MALFORMED`, `FIELD_INVALID` for a file, `MEDIA_TYPE_UNSUPPORTED` */
export function parseMultipart(text: string, boundary: string | undefined): FormField[] {
  if (boundary === undefined)
    throw malformed('the Content-Type has no boundary of 1 to 70 characters');
  // What comes before the first boundary is no part, nor what comes behind the last one.
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`, MAX_FORM_FIELDS + 2).slice(1);
  const end = pieces.findIndex((piece) => piece.startsWith('--'));
  if (end < 0 && pieces.length > MAX_FORM_FIELDS) throw tooManyFields();
  if (end < 0) throw malformed('the last boundary is missing');
  return pieces.slice(0, end).map(fieldOf);
}

function fieldOf(piece: string): FormField {
  const headEnd = piece.indexOf('\r\n\r\n');
  const head = piece.slice(0, headEnd);
  if (headEnd < 0 || !/^[ \t]*\r\n/.test(head)) throw malformed('a part has no head');
  return [nameOf(head), piece.slice(headEnd + 4)];
}

const DISPOSITION = /\r\ncontent-disposition:[ \t]*form-data[ \t]*(;[^\r\n]*)/i;
const NAME = /;[ \t]*name[ \t]*=[ \t]*(?:"([^"]*)"|([^\s;"]+))/i;
const FILE_NAME = /;[ \t]*filename\*?[ \t]*=/i;
const TYPE = /\r\ncontent-type:([^\r\n]*)/i;
const TRANSFER_ENCODING = /\r\ncontent-transfer-encoding:[ \t]*(\S{0,40})/i;
const PLAIN_ENCODINGS: readonly string[] = ['', '7bit', '8bit', 'binary'];

function nameOf(head: string): string {
  const disposition = DISPOSITION.exec(head)?.[1] ?? '';
  const name = NAME.exec(disposition);
  if (name === null) throw malformed('a part has no name');
  if (FILE_NAME.test(disposition))
    throw new TidingsError('FIELD_INVALID', 'files are not taken: send their text as a field');
  const encoding = TRANSFER_ENCODING.exec(head)?.[1] ?? '';
  if (!PLAIN_ENCODINGS.includes(encoding.toLowerCase()))
    throw unsupported(
      `Content-Transfer-Encoding ${encoding} is not supported: send parts as they are`,
    );
  parseMediaType(TYPE.exec(head)?.[1] ?? ''); // for its charset
  return name[1] ?? name[2]!;
}

const malformed = (what: string): TidingsError =>
  new TidingsError('BODY_MALFORMED', `the body is not multipart/form-data: ${what}`);
