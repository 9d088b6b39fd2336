/** When the answer to a post is whole: known by its length, its last chunk, or the end of the connection. */

/** Far more than a status and a few words: a longer answer is not one to a post. */
const ANSWER_CHARACTERS = 64 * 1024;
const LAST_CHUNK = '0\r\n\r\n';

export class Answer {
  #text = '';

  clear(): void {
    this.#text = '';
  }

  get empty(): boolean {
    return this.#text === '';
  }

  /** The start of it, for a message. */
  get start(): string {
    return this.#text.slice(0, 300);
  }

  get accepted(): boolean {
    return this.#text.startsWith('HTTP/1.1 2') || this.#text.startsWith('HTTP/1.0 2');
  }

  /** Takes what was read and tells whether the answer is whole. */
  take(text: string): boolean {
    this.#text += text;
    if (this.#text.length > ANSWER_CHARACTERS) throw new Error(`no answer: ${this.start}`);
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#head;
    const body = this.#text.length - end - 4;
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) return body >= Number(length);
    if (/\r\ntransfer-encoding:.*chunked/i.test(head)) return this.#lastChunk(end + 4);
    return /^HTTP\/1\.\d 204/.test(head);
  }

  #lastChunk(from: number): boolean {
    const body = this.#text.slice(from);
    return body === LAST_CHUNK || body.endsWith(`\r\n${LAST_CHUNK}`);
  }

  /** A connection that is about to be closed takes no other post. */
  get closes(): boolean {
    const connection = /\r\nconnection: *(close)?/i.exec(this.#head);
    return connection ? connection[1] !== undefined : this.#text.startsWith('HTTP/1.0');
  }

  get #head(): string {
    return this.#text.slice(0, this.#text.indexOf('\r\n\r\n'));
  }

  /** Whether an answer whose connection ended had at least its head. */
  get hasHead(): boolean {
    return this.#text.includes('\r\n\r\n');
  }
}
