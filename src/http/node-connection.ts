/** One connection of Node's http: its requests are run one after the other, each behind the answer before. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer } from './answer.ts';

/** Requests that may wait for the answers before them; with more the connection is closed. */
const MAX_WAITING = 100;

/** What a request becomes once its turn has come. */
export interface NodeTurn {
  /** Its answer, once written, says that it is the last of the connection. */
  readonly isLast: boolean;
  /** The rest of the request can never be read: it is answered with this. */
  refuse(refusal: Answer): void;
}

/** Of the last answer on a connection, by name and value in turn. */
export const lastHeaders = ({ headers = [], body = '' }: Answer): string[] => {
  const length = String(Buffer.byteLength(body));
  return [...headers.flat(), 'Connection', 'close', 'Content-Length', length];
};

export type RunTurn = (req: IncomingMessage, res: ServerResponse) => NodeTurn;

export class NodeConnection {
  readonly #socket: Socket;
  readonly #run: RunTurn;
  readonly #waiting: [IncomingMessage, ServerResponse][] = [];
  #current: { readonly req: IncomingMessage; readonly turn: NodeTurn } | undefined;
  /** What came behind the requests that wait is none. */
  #refusal: Answer | undefined;
  /** The last answer has been given: nothing behind is run. */
  #isOver = false;

  constructor(socket: Socket, run: RunTurn) {
    this.#socket = socket;
    this.#run = run;
  }

  take(req: IncomingMessage, res: ServerResponse): void {
    if (this.#isOver) return;
    if (this.#waiting.length >= MAX_WAITING) return this.#destroy();
    this.#waiting.push([req, res]);
    if (this.#current === undefined) this.#next();
  }

  /** The parser has given up. Requests that were whole by then are answered as ever. */
  refuse(refusal: Answer): void {
    this.#refusal = refusal;
    if (this.#current === undefined) this.#next();
    else if (!this.#current.req.complete) this.#current.turn.refuse(refusal);
  }

  #next(): void {
    this.#current = undefined;
    const next = this.#waiting.shift();
    if (this.#isOver) return;
    if (next !== undefined) this.#begin(...next);
    else if (this.#refusal !== undefined) this.#write(this.#refusal);
  }

  #begin(req: IncomingMessage, res: ServerResponse): void {
    const turn = this.#run(req, res);
    res.once('finish', () => {
      // Node ends the connection behind it, but would run what it has read already.
      this.#isOver ||= turn.isLast || !res.shouldKeepAlive;
      this.#next();
    });
    this.#current = { req, turn };
    if (this.#refusal !== undefined && !req.complete) turn.refuse(this.#refusal);
  }

  // There is no request that it could be the answer of.
  #write(refusal: Answer): void {
    const { status, body = '' } = refusal;
    const headers = lastHeaders(refusal);
    this.#isOver = true;
    if (!this.#socket.writable) return this.#destroy();
    const reason = status === 431 ? 'Request Header Fields Too Large' : 'Bad Request';
    let head = `HTTP/1.1 ${status} ${reason}\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.#socket.end(`${head}\r\n${body}`, () => this.#socket.destroy());
  }

  #destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }
}
