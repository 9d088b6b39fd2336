/** Cuts a body that comes in pieces into its lines; no more of it is kept than the line that has begun. */
import { isAscii, isUtf8 } from 'node:buffer';
import { TidingsError } from '../errors.ts';
import { Body } from '../http/body.ts';

const LF = 0x0a;

/**
 * Bytes of lines that become text in one go. A string as short as that is young garbage to V8; a longer
 * one would stay until all of the heap is looked at.
 */
const BLOCK_BYTES = 16_384;

/** A line with its number, from 1, and its text without the line end. */
export interface TextLine {
  readonly number: number;
  readonly text: string;
  /** All of it is known to be ASCII: it has as many bytes as characters. */
  readonly isAscii: boolean;
}

/** One that has no text, and why. */
interface FaultyLine {
  readonly number: number;
  readonly text: TidingsError;
}

export type Line = TextLine | FaultyLine;

export const hasText = (line: Line): line is TextLine => typeof line.text === 'string';

const NOTHING = Buffer.alloc(0);

export class Lines {
  readonly #maxBytes: number;
  #number = 0;
  /** Of the line that has begun in pieces before; undefined: nothing. */
  #begun: Body | undefined;
  /** The line that has begun is too long: what still comes of it is passed over. */
  #isTooLong = false;
  #piece: Buffer = NOTHING;
  #pieceAt = 0;
  /** Whole lines, the next ones of the piece, all of them ASCII; and how far they were taken. */
  #block = '';
  #blockAt = 0;

  /** `maxBytes`: of one line. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A piece has come. All lines are to be taken before the next one comes. */
  push(piece: Buffer): void {
    this.#piece = piece;
    this.#pieceAt = 0;
  }

  /** The next line that ends in this piece; undefined when there is none. Hot path. */
  next(): Line | undefined {
    for (;;) {
      if (this.#blockAt < this.#block.length) {
        const line = this.#nextOfBlock();
        if (line !== undefined) return line;
        continue;
      }
      const end = this.#piece.indexOf(LF, this.#pieceAt);
      if (end === -1) return this.#keepRest();
      if (this.#begun === undefined && this.#decode()) continue;
      const line = this.#end(this.#piece.subarray(this.#pieceAt, end));
      this.#pieceAt = end + 1;
      if (line !== undefined) return line;
    }
  }

  /** What is behind the last line end; undefined when there is nothing. */
  rest(): Line | undefined {
    return this.#end(NOTHING);
  }

  #nextOfBlock(): Line | undefined {
    const end = this.#block.indexOf('\n', this.#blockAt);
    const text = this.#block.slice(this.#blockAt, end);
    this.#blockAt = end + 1;
    this.#number += 1;
    if (text.length > this.#maxBytes) return this.#tooLong();
    return this.#told(text, true);
  }

  // False when the next lines are to be looked at one by one: a fault is that of a line alone.
  #decode(): boolean {
    const [piece, at] = [this.#piece, this.#pieceAt];
    const end = piece.lastIndexOf(LF, at + BLOCK_BYTES - 1) + 1;
    if (end <= at) return false;
    const block = piece.subarray(at, end);
    if (!isAscii(block)) return false;
    this.#block = block.toString('latin1');
    this.#blockAt = 0;
    this.#pieceAt = end;
    return true;
  }

  // Lets go of the piece and its text.
  #keepRest(): undefined {
    if (this.#pieceAt < this.#piece.length) this.#begin(this.#piece.subarray(this.#pieceAt));
    this.#piece = NOTHING;
    this.#pieceAt = 0;
    this.#block = '';
    this.#blockAt = 0;
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
    return this.#told(
      this.#number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text,
      false,
    );
  }

  #told(text: string, isAscii: boolean): Line | undefined {
    // Whatever is more than blank begins with a brace, nearly always.
    if (text === '' || (text.charCodeAt(0) <= 0x20 && text.trim() === '')) return undefined;
    return { number: this.#number, text, isAscii };
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
