/** Forms as `application/x-www-form-urlencoded`, decoded without loss: what is not UTF-8 is refused. */
import { TidingsError } from '../errors.ts';

/** Fields one form may have, in its body and in the query each. */
export const MAX_FORM_FIELDS = 20_000;

export type FormField = readonly [name: string, value: string];

/**
 * As URLSearchParams, which makes U+FFFD of whatever it cannot decode: two names would become one.
 * A `%` without two digits behind it stands for itself, as there.
 * @throws TidingsError `BODY_MALFORMED`
 */
export function parseForm(text: string): FormField[] {
  const pieces = text.split('&', MAX_FORM_FIELDS + 1);
  if (pieces.length > MAX_FORM_FIELDS) throw tooManyFields();
  const fields: FormField[] = [];
  for (const piece of pieces) if (piece !== '') fields.push(fieldOf(piece));
  return fields;
}

export const tooManyFields = (): TidingsError =>
  new TidingsError('BODY_MALFORMED', `a form may have at most ${MAX_FORM_FIELDS} fields`);

function fieldOf(piece: string): FormField {
  const at = piece.indexOf('=');
  return at < 0 ? [decode(piece), ''] : [decode(piece.slice(0, at)), decode(piece.slice(at + 1))];
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  return spaced.includes('%') ? decodePercents(spaced) : spaced;
}

const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

// Stray ones are rare: they are looked for only when something was wrong.
function decodePercents(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return decodeBesideStrays(text);
  }
}

function decodeBesideStrays(text: string): string {
  try {
    return decodeURIComponent(text.replace(STRAY_PERCENT, '%25'));
  } catch (cause) {
    throw new TidingsError(
      'BODY_MALFORMED',
      'percent-encoded bytes are not UTF-8: encode the text as UTF-8 first',
      { cause },
    );
  }
}
