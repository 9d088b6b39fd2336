/** One connection that posts, reads the whole answer, and posts again; a server may close it in between. */
import { connect, type Socket } from 'node:net';
import { Answer } from './answer.ts';
import { headerLines, type Options, type Run } from './arguments.ts';
import { MARKER_BYTES, markerText } from './marker.ts';

/** A server may close a connection at the moment of a post; more often in a row it is not by chance. */
const ATTEMPTS = 3;
const EVENT = '{event}';

/** The request of every post, but the marker in the middle. */
export interface Envelope {
  readonly before: string;
  readonly after: string;
  /** False for a body without `{event}`. */
  readonly marked: boolean;
}

/** Built once per run, so that a post is one concatenation. */
export function envelopeFor(options: Options, run: Run): Envelope {
  const { emit, emitPath, emitHeaders, body } = options;
  const place = body.indexOf(EVENT);
  const marked = place >= 0;
  const padding = 'x'.repeat(Math.max(0, run.bytes - MARKER_BYTES));
  const start = marked ? body.slice(0, place) : body;
  const end = marked ? padding + body.slice(place + EVENT.length) : '';
  const length = Buffer.byteLength(start + end) + (marked ? MARKER_BYTES : 0);
  const host = `Host: ${emit.host}:${emit.port}\r\n`;
  const head = `POST ${emitPath} HTTP/1.1\r\n${host}${headerLines(emitHeaders)}`;
  return { before: `${head}Content-Length: ${length}\r\n\r\n${start}`, after: end, marked };
}

let connections = 0;

export class Publisher {
  /** When the post was due: a late post counts as a slow answer. */
  due = 0;
  waiting = false;
  sequence = 0;
  readonly #options: Options;
  readonly #answered: (answer: Answer) => void;
  readonly #answer = new Answer();
  #socket: Socket | undefined;
  #request = '';
  #attempts = 0;

  constructor(options: Options, answered: (answer: Answer) => void) {
    this.#options = options;
    this.#answered = answered;
  }

  /** A connection that was idle since the last run may be closed by the server at this very moment. */
  begin(): void {
    this.close();
    this.sequence = 0;
    this.#connect();
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.waiting = false;
  }

  post(envelope: Envelope, marker: { run: number; publisher: number }, due: number): void {
    const { before, after, marked } = envelope;
    const text = marked ? markerText({ ...marker, sequence: this.sequence, stamp: due }) : '';
    this.sequence++;
    this.due = due;
    this.waiting = true;
    this.#request = before + text + after;
    this.#attempts = 0;
    this.#send();
  }

  #send(): void {
    this.#attempts++;
    this.#answer.clear();
    const socket = this.#socket ?? this.#connect();
    socket.write(this.#request);
  }

  /** From all addresses in turn: a port stays taken for a minute after its connection. */
  #connect(): Socket {
    const { emit, sources } = this.#options;
    const localAddress = `127.0.0.${1 + (connections++ % sources)}`;
    const socket = connect({ ...emit, localAddress, noDelay: true });
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      if (socket === this.#socket && this.waiting && this.#answer.take(text)) this.#done();
    });
    // An error is followed by `close`.
    socket.on('error', () => {}).on('close', () => this.#closed(socket));
    return socket;
  }

  #closed(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (!this.waiting) return;
    if (this.#answer.hasHead) return this.#done();
    if (!this.#answer.empty || this.#attempts === ATTEMPTS)
      throw new Error("a publisher's connection was closed");
    this.#send();
  }

  #done(): void {
    this.waiting = false;
    if (this.#answer.closes) this.close();
    this.#answered(this.#answer);
  }
}
