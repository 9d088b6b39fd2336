/**
 * The same handlers on Node's own `http`: what the addon's parser turns away (HTTP/1.0, trailers, chunk
 * extensions, requests in odd pieces, pipelining behind late answers) is read here. A handler sees the
 * request and the response that it knows from the addon, and cannot tell which server carries it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidingsError } from '../errors.ts';
import { type Answer, errorAnswer } from './answer.ts';
import { lastHeaders, NodeConnection, type NodeTurn } from './node-connection.ts';
import { inFormFor } from './problem.ts';
import {
  type ConnectionFilter,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  MAX_HEAD_BYTES,
} from './uws.ts';

/** What clients are told of how long an idle connection can be used again. */
const KEPT = ['Connection', 'keep-alive', 'Keep-Alive', 'timeout=75'];

/** And when it is closed, in milliseconds: later, so that nobody who goes by it meets the end. */
const KEEP_ALIVE_MS = 80_000;

/** A head that takes longer is given up, in milliseconds. */
const HEAD_MS = 15_000;

/** A body is given up when so many milliseconds brought it no further than so many bytes. */
const BODY_MS = 60_000;
const BODY_BYTES = 1_048_576;

export class NodeApp {
  readonly server: Server;
  readonly #connections = new Map<Socket, NodeConnection>();

  constructor(handler: HttpHandler, filter: ConnectionFilter) {
    this.server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_MS,
      requestTimeout: 0, // would end a body however fast it comes: see BODY_MS
      maxHeaderSize: MAX_HEAD_BYTES,
      requireHostHeader: false, // answered as every fault of a head is
    });
    // Beyond a number of them Node leaves headers out in silence; their bytes are limited already.
    this.server.maxHeadersCount = 0;
    const take = (req: IncomingMessage, res: ServerResponse) =>
      this.#connections.get(req.socket)?.take(req, res);
    // 100 is sent when the body is asked for; what else a client expects is no matter to the addon either.
    for (const event of ['request', 'checkContinue', 'checkExpectation'])
      this.server.on(event, take);
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      // Anything else is an error of the connection itself.
      if (/^(HPE_|ERR_HTTP_)/.test(error.code ?? ''))
        this.#connections.get(socket as Socket)?.refuse(refusalOf(error.code));
      else socket.destroy();
    });
    const run = (req: IncomingMessage, res: ServerResponse): NodeTurn => {
      const response = new NodeResponse(req, res);
      handler(response, new NodeRequest(req));
      return response;
    };
    this.server.on('connection', (socket: Socket) => {
      this.#connections.set(socket, new NodeConnection(socket, run));
      this.#count(socket, filter);
    });
  }

  #count(socket: Socket, filter: ConnectionFilter): void {
    const connection = { close: () => socket.destroy() };
    socket.on('close', () => {
      this.#connections.delete(socket);
      filter(connection, -1);
    });
    filter(connection, 1);
  }

  /** Drops all connections. Idempotent. */
  close(): void {
    this.server.close();
    for (const socket of this.#connections.keys()) socket.destroy();
  }
}

// What is no request: the answer that a request in doubt gets.
function refusalOf(code: string | undefined): Answer {
  const isLarge = code === 'HPE_HEADER_OVERFLOW';
  const message = isLarge
    ? `the head is larger than ${MAX_HEAD_BYTES} bytes`
    : code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 'the request does not end: send it whole, in time'
      : 'this is not a request of HTTP/1.1 or HTTP/1.0';
  const answer = errorAnswer(new TidingsError('REQUEST_MALFORMED', message));
  return isLarge ? { ...answer, status: 431 } : answer;
}

// The form that names scheme and host, which then count instead of the header (RFC 9112, 3.2.2).
const TARGET = /^(?:https?:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/is;

class NodeRequest implements HttpRequest {
  readonly #req: IncomingMessage;
  readonly #path: string;
  readonly #host: string | undefined;
  readonly #query: string | undefined;

  constructor(req: IncomingMessage) {
    this.#req = req;
    const [, host, path, query] = TARGET.exec(req.url ?? '') ?? [];
    this.#host = host;
    this.#path = path === undefined || path === '' || path === '*' ? '/' : path;
    this.#query = query;
  }

  getMethod(): string {
    return this.#req.method?.toLowerCase() ?? '';
  }

  getUrl(): string {
    return this.#path;
  }

  getQuery(): string | undefined {
    return this.#query;
  }

  getHeader(name: string): string {
    let found = '';
    this.forEach((header, value) => {
      if (header === name && found === '') found = value;
    });
    return found;
  }

  forEach(fn: (name: string, value: string) => void): void {
    const { rawHeaders } = this.#req;
    const isSafe = this.#req.method === 'GET' || this.#req.method === 'HEAD';
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!.toLowerCase();
      const value = rawHeaders[i + 1]!;
      if (name === 'host' && this.#host !== undefined) fn(name, this.#host);
      else if (isSafe || !isSettled(name, value)) fn(name, value);
    }
    // HTTP/1.0 has none, and no browser speaks it: no page has made this request.
    if (this.#req.httpVersion === '1.0' && this.#req.headers.host === undefined)
      fn('host', this.#host ?? 'localhost');
  }
}

// What Node has seen to by itself: where the body ends, and whether the client waits for a word.
const isSettled = (name: string, value: string): boolean =>
  name === 'expect' || (name === 'transfer-encoding' && value.toLowerCase() === 'chunked');

class NodeResponse implements HttpResponse, NodeTurn {
  isLast = false;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  #onAborted: (() => void) | undefined;
  #status = 200;
  readonly #headers: string[] = [];
  #bodyTimer: NodeJS.Timeout | undefined;
  /** Of the body, since the timer was set. */
  #bodyBytes = 0;

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
    // Also of a body that nobody reads: what is left of it would keep the connection.
    this.#awaitBody();
    const stop = () => clearTimeout(this.#bodyTimer);
    req.on('close', stop);
    // A connection that ends behind the answer takes the rest with it, and the request is not told.
    res.on('close', () => {
      if (req.socket.destroyed) stop();
      else if (this.isLast || !req.complete) req.socket.once('close', stop);
    });
  }

  writeStatus(status: string): this {
    this.#status = Number.parseInt(status, 10);
    return this;
  }

  // Of connections Node tells by itself.
  writeHeader(name: string, value: string): this {
    if (name === 'Connection') this.isLast = true;
    else if (name !== 'Keep-Alive') this.#headers.push(name, value);
    return this;
  }

  end(body: string | Uint8Array = '', closeConnection = false): this {
    this.isLast ||= closeConnection;
    this.#headers.push('Content-Length', String(Buffer.byteLength(body)));
    return this.#send(body);
  }

  endWithoutBody(): this {
    return this.#send();
  }

  /** The answer to a request whose rest can never be read; whoever reads it hears of its end. */
  refuse(refusal: Answer): void {
    if (this.#res.headersSent) return;
    this.#onAborted?.();
    this.isLast = true;
    const said = inFormFor(this.#req.headers.accept ?? '', refusal);
    this.#res.writeHead(said.status, lastHeaders(said)).end(said.body);
  }

  close(): this {
    this.#req.socket.destroy();
    return this;
  }

  cork(fn: () => void): this {
    fn();
    return this;
  }

  onAborted(fn: () => void): this {
    this.#onAborted = fn;
    this.#res.on('close', () => {
      if (!this.#res.writableEnded) fn();
    });
    return this;
  }

  onData(fn: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    const { expect = '' } = this.#req.headers;
    if (expect.toLowerCase() === '100-continue' && this.#req.httpVersion === '1.1')
      this.#res.writeContinue();
    this.#req.on('data', (chunk: Buffer) => {
      this.#bodyBytes += chunk.length;
      if (this.#bodyBytes >= BODY_BYTES) this.#awaitBody();
      fn(bytesOf(chunk), false);
    });
    this.#req.on('end', () => {
      clearTimeout(this.#bodyTimer);
      fn(new ArrayBuffer(0), true);
    });
    return this;
  }

  #awaitBody(): void {
    clearTimeout(this.#bodyTimer);
    this.#bodyBytes = 0;
    this.#bodyTimer = setTimeout(() => this.#giveUp(), BODY_MS);
  }

  #giveUp(): void {
    if (this.#res.headersSent) this.close();
    else this.refuse(refusalOf('ERR_HTTP_REQUEST_TIMEOUT'));
  }

  /** No more of the body for now. */
  pause(): void {
    clearTimeout(this.#bodyTimer);
    this.#req.pause();
  }

  resume(): void {
    this.#awaitBody();
    this.#req.resume();
  }

  getRemoteAddressAsText(): ArrayBuffer {
    return bytesOf(Buffer.from(this.#req.socket.remoteAddress ?? ''));
  }

  #send(body?: string | Uint8Array): this {
    if (this.isLast) this.#headers.push('Connection', 'close');
    else if (this.#res.shouldKeepAlive) this.#headers.push(...KEPT);
    this.#res.writeHead(this.#status, this.#headers);
    this.#res.end(body);
    return this;
  }

  // Only for streams, which are not served here.
  write(): never {
    throw new Error('no streams on this listener');
  }

  onWritable(): never {
    return this.write();
  }
}

const bytesOf = (chunk: Buffer): ArrayBuffer => {
  const { buffer, byteOffset, byteLength } = chunk;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
};
