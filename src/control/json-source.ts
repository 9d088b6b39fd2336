/**
 * Values out of a JSON text as they were written. Parsing and writing them again would round large
 * numbers, make 1.1 of 1.10 and null of 1e400, and move keys that look like numbers to the front.
 */
import { TidingsError } from '../errors.ts';

/** Deepest nesting of a value that is passed on; readers of JSON stop between 64 and some thousands. */
export const MAX_DEPTH = 512;

/**
 * The source of a member's value, undefined when there is no such member; of several with this name
 * the last, as JSON.parse has it. `text` must be one JSON object that JSON.parse has accepted.
 * @throws TidingsError `FIELD_INVALID` when the value is nested deeper than `MAX_DEPTH`
 */
export function memberSource(text: string, name: string): string | undefined {
  let source: string | undefined;
  for (let at = 0; ; at += 1) {
    const keyStart = text.indexOf('"', at);
    if (keyStart < 0) return source;
    const keyEnd = stringEnd(text, keyStart);
    const isWanted = isKey(text.slice(keyStart, keyEnd), name);
    const start = text.indexOf(':', keyEnd) + 1;
    at = valueEnd(text, start);
    if (isWanted) source = checkDepth(name, text.slice(start, at).trim());
  }
}

/** The sources of an array's elements. `text` must be an array that JSON.parse has accepted. */
export function elementSources(text: string): string[] {
  const sources: string[] = [];
  for (let start = text.indexOf('[') + 1; ; ) {
    const end = valueEnd(text, start);
    sources.push(text.slice(start, end));
    if (text.charCodeAt(end) !== COMMA) return sources;
    start = end + 1;
  }
}

const isKey = (source: string, name: string): boolean =>
  source === `"${name}"` || (source.includes('\\') && JSON.parse(source) === name);

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

// { and [, } and ]: each pair differs in one bit.
const isOpening = (code: number): boolean => (code | 0x20) === 0x7b;
const isClosing = (code: number): boolean => (code | 0x20) === 0x7d;

/** Where the value ends that begins at `start`: at the comma or the brace behind it. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (isOpening(code)) depth += 1;
    else if (depth === 0 && (code === COMMA || isClosing(code))) return at;
    else if (isClosing(code)) depth -= 1;
  }
  return text.length;
}

/** Behind the quote that closes the string whose opening quote is at `start`. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function checkDepth(name: string, source: string): string {
  let depth = 0;
  for (let at = 0; at < source.length; at += 1) {
    const code = source.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(source, at) - 1;
    else if (isClosing(code)) depth -= 1;
    else if (isOpening(code) && ++depth > MAX_DEPTH)
      throw new TidingsError(
        'FIELD_INVALID',
        `${name} is nested too deeply: at most ${MAX_DEPTH} levels`,
      );
  }
  return source;
}
