/** Cuts a body that comes in pieces into its lines; no more of it is kept than the line that has begun. */
import { isUtf8 } from 'node:buffer';
import { TidingsError } from '../errors.ts';
import { Body } from '../http/body.ts';

const LF = 0x0a;

/** A line with its number, from 1, and its text without the line end, or why it has none. */
export interface Line {
  readonly number: number;
  readonly text: string | TidingsError;
}

export class Lines {
  readonly #maxBytes: number;
  #number = 0;
  /** Of the line that has begun in pieces before; undefined: nothing. */
  #begun: Body | undefined;
  /** The line that has begun is too long: what still comes of it is passed over. */
  #isTooLong = false;

  /** `maxBytes`: of one line. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this piece. All are to be taken before the next piece comes. */
  *push(piece: Buffer): Generator<Line> {
    let at = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, at)) {
      const line = this.#end(piece.subarray(at, end));
      if (line !== undefined) yield line;
      at = end + 1;
    }
    if (at < piece.length) this.#begin(piece.subarray(at));
  }

  /** What is behind the last line end; undefined when there is nothing. */
  rest(): Line | undefined {
    return this.#end(Buffer.alloc(0));
  }

  #begin(bytes: Buffer): void {
    this.#begun ??= new Body(this.#maxBytes);
    if (this.#isTooLong || this.#begun.append(bytes)) return;
    this.#isTooLong = true;
    this.#begun = new Body(0); // what there is of it is of no use
  }

  // Undefined for a blank one, which only counts.
  #end(bytes: Buffer): Line | undefined {
    this.#number += 1;
    if (this.#begun === undefined) return this.#line(bytes);
    this.#begin(bytes);
    const line = this.#isTooLong ? this.#tooLong() : this.#line(this.#begun.bytes);
    this.#begun = undefined;
    this.#isTooLong = false;
    return line;
  }

  #line(bytes: Buffer): Line | undefined {
    if (bytes.length > this.#maxBytes) return this.#tooLong();
    if (!isUtf8(bytes)) return this.#fault('BODY_MALFORMED', 'the line is not UTF-8');
    const text = bytes.toString();
    const own = this.#number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text;
    // Whatever is more than blank begins with a brace, nearly always.
    if (own === '' || (own.charCodeAt(0) <= 0x20 && own.trim() === '')) return undefined;
    return { number: this.#number, text: own };
  }

  #tooLong(): Line {
    return this.#fault(
      'BODY_TOO_LARGE',
      `the line is longer than ${this.#maxBytes} bytes: send less in one event, or raise -max-body`,
    );
  }

  #fault(code: 'BODY_MALFORMED' | 'BODY_TOO_LARGE', message: string): Line {
    return { number: this.#number, text: new TidingsError(code, message) };
  }
}
