/**
 * A body of any length, in pieces as they are asked for. Whoever sends it waits meanwhile: the socket is
 * paused while a piece is there that nobody has asked for, so that no more of a body is in memory than
 * one piece that is worked on, and what the server reads at once: 512 KiB with the addon for Node 20, with
 * those for Node 22 and 24 all that the kernel holds, at most its limits in tcp_rmem and tcp_wmem together.
 * Two buffers take turns: one of its own for each piece would be garbage that V8 lets lie until it has as
 * much of another kind.
 */
import { Body } from './body.ts';
import type { HttpResponse } from './uws.ts';

export interface PiecesOptions {
  /** Milliseconds without a byte after which no more are awaited; undefined: the server sees to it. */
  readonly silenceMs: number | undefined;
}

export class BodyPieces {
  readonly #res: Pick<HttpResponse, 'pause' | 'resume'>;
  readonly #silenceMs: number | undefined;
  #state: 'coming' | 'whole' | 'cut' = 'coming';
  /** Bytes nobody has asked for yet. */
  #waiting = new Body(Number.POSITIVE_INFINITY);
  /** The piece that is worked on. */
  #given = new Body(Number.POSITIVE_INFINITY);
  #asked: ((piece: Buffer | undefined) => void) | undefined;
  #isPaused = false;
  #silence: NodeJS.Timeout | undefined;

  constructor(res: Pick<HttpResponse, 'pause' | 'resume'>, { silenceMs }: PiecesOptions) {
    this.#res = res;
    this.#silenceMs = silenceMs;
  }

  /** All of it has come. False as long as more may come, or when the rest never will. */
  get isWhole(): boolean {
    return this.#state === 'whole' && this.#waiting.size === 0;
  }

  /**
   * The next piece, whose bytes are there until the next call; undefined at the end, and when the rest will
   * never come. To be called again only when it has resolved.
   */
  next(): Promise<Buffer | undefined> {
    const isEmpty = this.#waiting.size === 0;
    if (isEmpty && this.#state === 'coming') {
      const piece = new Promise<Buffer | undefined>((resolve) => {
        this.#asked = resolve;
      });
      this.#listen();
      return piece;
    }
    // A connection that stayed paused would never be read again.
    if (this.#state === 'whole') this.#resume();
    return Promise.resolve(isEmpty ? undefined : this.#turn());
  }

  /** Bytes have come, which are copied: the addon takes its memory back. */
  push(chunk: ArrayBuffer): void {
    clearTimeout(this.#silence);
    if (chunk.byteLength === 0 || this.#state !== 'coming') return;
    this.#waiting.append(new Uint8Array(chunk));
    if (this.#asked !== undefined) return this.#give(this.#turn());
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#res.pause();
  }

  /** That was all. */
  end(): void {
    this.#finish('whole');
  }

  /** The rest will never come. What came before is still given. */
  cut(): void {
    // Also behind the end: then there is no connection to resume.
    this.#isPaused = false;
    this.#finish('cut');
  }

  #finish(state: 'whole' | 'cut'): void {
    clearTimeout(this.#silence);
    if (this.#state === 'coming' || state === 'cut') this.#state = state;
    if (this.#asked !== undefined) this.#give(undefined);
  }

  #give(piece: Buffer | undefined): void {
    const give = this.#asked;
    this.#asked = undefined;
    give?.(piece);
  }

  // What has come is worked on, and what was worked on takes what comes.
  #turn(): Buffer {
    const done = this.#given;
    this.#given = this.#waiting;
    this.#waiting = done;
    done.clear();
    return this.#given.bytes;
  }

  #listen(): void {
    if (this.#silenceMs !== undefined)
      this.#silence = setTimeout(() => this.cut(), this.#silenceMs);
    this.#resume();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#res.resume();
  }
}
