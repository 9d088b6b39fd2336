/**
 * Reads the bytes of one streaming response as they come, in pieces of any size, and keeps little of
 * them: thousands of these fit into one test. It is strict: whatever is not a chunk, or not a frame,
 * is remembered in `broken`.
 */

import { isPositionNotice } from './opening.ts';

/** Characters kept of a line: what tells events apart stands at their beginning. */
const KEPT_LINE = 200;

const LF = 10;

export interface ReadEvent {
  readonly id: string | undefined;
  readonly event: string;
  /** The first characters of the data. */
  readonly data: string;
}

type Part = 'head' | 'size' | 'body' | 'after' | 'over';

export class StreamReader {
  status = 0;
  /** The id that a browser would send when it comes back. */
  lastEventId: string | undefined;
  retryMs = 0;
  /** What was wrong with the bytes, if anything was. */
  broken: string | undefined;
  readonly #onEvent: (event: ReadEvent) => void;
  #part: Part = 'head';
  // Of a head, a chunk's size or the CRLF after it: what has come of it so far.
  #text = '';
  #left = 0;
  #line = '';
  #fields = new Map<string, string>();

  constructor(onEvent: (event: ReadEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** The last chunk has come, and what came before it are whole frames. */
  get isWhole(): boolean {
    return (
      this.broken === undefined &&
      this.#part === 'over' &&
      this.#line === '' &&
      !this.#fields.has('data')
    );
  }

  read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.broken === undefined) {
      if (this.#part === 'body') at = this.#readBody(bytes, at);
      else if (this.#part === 'over') this.broken = 'bytes after the last chunk';
      else at = this.#readText(bytes, at);
    }
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.#readLines(bytes.subarray(at, end));
    if (this.#left === 0) this.#part = 'after';
    return end;
  }

  // Up to the line feed that ends this piece of the head, a size, or the CRLF after a chunk.
  #readText(bytes: Buffer, at: number): number {
    const lineFeed = bytes.indexOf(LF, at);
    const end = lineFeed === -1 ? bytes.length : lineFeed + 1;
    this.#text += bytes.toString('latin1', at, end);
    if (lineFeed !== -1) this.#textLine();
    return end;
  }

  #textLine(): void {
    if (this.#part === 'head' && !this.#text.endsWith('\r\n\r\n')) return;
    const text = this.#text;
    this.#text = '';
    if (this.#part === 'head') {
      this.status = Number(text.split(' ')[1]);
      this.#part = /\r\ntransfer-encoding: chunked\r\n/i.test(text) ? 'size' : 'over';
    } else if (this.#part === 'after') {
      if (text !== '\r\n') this.broken = `no CRLF after a chunk: ${JSON.stringify(text)}`;
      else this.#part = this.#left === -1 ? 'over' : 'size';
    } else this.#size(text);
  }

  #size(text: string): void {
    if (!/^[0-9a-f]+\r\n$/i.test(text)) {
      this.broken = `not the size of a chunk: ${JSON.stringify(text.slice(0, 40))}`;
      return;
    }
    this.#left = Number.parseInt(text, 16);
    this.#part = this.#left === 0 ? 'after' : 'body';
    if (this.#left === 0) this.#left = -1; // the CRLF after this one is the end
  }

  #readLines(bytes: Buffer): void {
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(LF, at);
      const room = KEPT_LINE - this.#line.length;
      const until = end === -1 ? bytes.length : end;
      if (room > 0) this.#line += bytes.toString('latin1', at, Math.min(until, at + room));
      if (end === -1) return;
      this.#endLine();
      at = end + 1;
    }
  }

  #endLine(): void {
    const line = this.#line;
    this.#line = '';
    if (line === '') return this.#dispatch();
    const match = /^(data|id|event|retry|): ?(.*)$/s.exec(line);
    if (match === null) {
      this.broken = `not a line of an event: ${JSON.stringify(line)}`;
      return;
    }
    const [, name, value] = match as unknown as [string, string, string];
    if (name === 'retry') this.retryMs = Number(value);
    else if (name !== '') this.#fields.set(name, value);
  }

  #dispatch(): void {
    const fields = this.#fields;
    const data = fields.get('data');
    if (data === undefined) return;
    const id = fields.get('id');
    if (id !== undefined) this.lastEventId = id;
    const event = fields.get('event') ?? 'message';
    fields.clear();
    if (!isPositionNotice(event)) this.#onEvent({ id, event, data });
  }
}
