/**
 * Events to bytes. A frame is encoded once per emit and shared by every stream that gets it.
 * The rules of the format are those of WHATWG HTML, 9.2.6 "Interpreting an event stream".
 */

/** Heartbeat, and the nudge behind every flush: a comment line, without the blank line that some clients take for an event. */
export const COMMENT = Buffer.from(':\n');

/** Names that only the server may use begin with this. */
export const SYSTEM_EVENT_PREFIX = 'tidings.';

const LF = 0x0a;
const CR = 0x0d;

/** An event without its id: whole lines, encoded before it has a number. */
export type Body = string;

/** Bytes that the id and the end of the frame add to a body, at most. */
export const STAMP_BYTES = 72;

/**
 * A payload as its emitter wrote it, except that its line ends become LF, and those at its end are
 * folded into ours: some clients split a frame with two kinds of them wrongly.
 */
export function encodeRaw(payload: string): Body {
  let end = payload.length;
  while (end > 0 && isLineEnd(payload.charCodeAt(end - 1))) end -= 1;
  const text = payload.slice(0, end).replace(OTHER_LINE_ENDS, '\n');
  return text === '' ? '' : `${text}\n`;
}

const OTHER_LINE_ENDS = /\r\n?/g;

/** Any text as the data of one event; `event` must hold neither CR nor LF. */
export function encodeEvent(data: string, event: string | undefined): Body {
  return `${eventLine(event)}${dataLines(data)}`;
}

/**
 * The frame of an event that has its id now. The id comes last, so that a client that commits ids as it
 * parses never commits one of a frame it has not got.
 */
export const stamp = (body: Body, id: string): Buffer => ownBytes(stamped(body, id));

const stamped = (body: Body, id: string): string => `${body}id: ${id}\n\n`;

/** What an id of ASCII adds to a body, in bytes: `id: `, itself, and two line ends. */
const STAMP_AROUND_BYTES = 6;

/**
 * A frame whose bytes are made when somebody needs them. Memory of its own for each frame is what an emit costs most
 * in V8, and where nobody listens most frames are evicted before anybody asks.
 */
export interface LateBytes {
  /** In bytes. */
  readonly length: number;
  /** Each time anew. */
  encode(): Buffer;
  /** Into memory at that place, where there is room. */
  write(memory: Buffer, at: number): void;
}

/** Of a body that has its id now. */
export class LateFrame implements LateBytes {
  readonly length: number;
  readonly #text: string;

  /** `bodyBytes`: of the body, where they are known. */
  constructor(body: Body, id: string, bodyBytes = Buffer.byteLength(body)) {
    // Counting makes the body one text of its own: until then it may be a view of the text it came in.
    this.length = bodyBytes + id.length + STAMP_AROUND_BYTES;
    this.#text = stamped(body, id);
  }

  encode(): Buffer {
    return ownBytes(this.#text, this.length);
  }

  write(memory: Buffer, at: number): void {
    memory.write(this.#text, at);
  }
}

/** A copy of a frame out of memory that is not to be kept: a text with a character for each byte, which lies in V8's heap. */
export class CopiedFrame implements LateBytes {
  readonly #text: string;

  constructor(memory: Buffer, start: number, end: number) {
    this.#text = memory.toString('latin1', start, end);
  }

  get length(): number {
    return this.#text.length;
  }

  encode(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.length);
    this.write(bytes, 0);
    return bytes;
  }

  write(memory: Buffer, at: number): void {
    memory.write(this.#text, at, 'latin1');
  }
}

/**
 * An event of the server's own. Its id is the position from which the stream goes on: an id goes out
 * only when everything up to it was written before, or declared missing. Without an id a client's
 * last id stays what it was. There is always data: some clients drop the id of an event without.
 */
export function encodeSystemEvent(name: string, data: unknown, id: string | undefined): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `event: ${SYSTEM_EVENT_PREFIX}${name}\ndata: ${JSON.stringify(data)}\n${idLine}\n`;
}

/** How long a browser waits before it reconnects, in milliseconds. */
export function encodeRetry(retryMs: number): string {
  return `retry: ${Math.round(retryMs)}\n`;
}

const eventLine = (event: string | undefined): string =>
  event === undefined || event === '' ? '' : `event: ${event}\n`;

const dataLines = (data: string): string => {
  const isOneLine = !data.includes('\n') && !data.includes('\r');
  return `data: ${isOneLine ? data : data.replace(/\r\n|\r|\n/g, '\ndata: ')}\n`;
};

const isLineEnd = (code: number): boolean => code === LF || code === CR;

/**
 * Bytes that are to be retained. Not Buffer.from: that cuts small strings out of a shared 8 KiB slab,
 * and one retained frame would keep the whole slab alive.
 */
export function ownBytes(text: string, byteLength = Buffer.byteLength(text)): Buffer {
  const bytes = Buffer.allocUnsafeSlow(byteLength);
  bytes.write(text);
  return bytes;
}
