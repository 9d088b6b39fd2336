/**
 * The same handlers on Node's own `http`: what the addon's parser turns away (HTTP/1.0, trailers, chunk
 * extensions, requests in odd pieces, pipelining behind late answers) is read here. A handler sees the
 * request and the response that it knows from the addon, and cannot tell which server carries it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type ConnectionFilter,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  MAX_HEAD_BYTES,
} from './uws.ts';

/** A kept connection without a request is closed after so long, in milliseconds. */
const KEEP_ALIVE_MS = 75_000;

/** A head, and a whole request, that takes longer is given up, in milliseconds. */
const HEAD_MS = 15_000;
const REQUEST_MS = 60_000;

export class NodeApp {
  readonly server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(handler: HttpHandler, filter: ConnectionFilter) {
    this.server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_MS,
      requestTimeout: REQUEST_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    const serve = (req: IncomingMessage, res: ServerResponse) =>
      handler(new NodeResponse(req, res), new NodeRequest(req));
    this.server.on('request', serve);
    this.server.on('checkContinue', serve); // 100 is sent when the body is asked for
    this.server.on('clientError', refuse);
    this.server.on('connection', (socket: Socket) => this.#connected(socket, filter));
  }

  #connected(socket: Socket, filter: ConnectionFilter): void {
    const connection = { close: () => socket.destroy() };
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      filter(connection, -1);
    });
    filter(connection, 1);
  }

  /** Drops all connections. Idempotent. */
  close(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

// What is no request: the answer that a request in doubt gets.
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const isLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const message = isLarge
    ? `the head is larger than ${MAX_HEAD_BYTES} bytes`
    : 'this is not a request of HTTP/1.1 or HTTP/1.0';
  const body = JSON.stringify({ error: 'REQUEST_MALFORMED', message });
  const status = isLarge ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

class NodeRequest implements HttpRequest {
  readonly #req: IncomingMessage;
  readonly #path: string;
  readonly #query: string | undefined;

  constructor(req: IncomingMessage) {
    this.#req = req;
    const target = pathOf(req.url ?? '/');
    const at = target.indexOf('?');
    this.#path = at < 0 ? target : target.slice(0, at);
    // As with the addon: UTF-8, and U+FFFD for what is none, which is refused further on.
    this.#query = at < 0 ? undefined : Buffer.from(target.slice(at + 1), 'latin1').toString();
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
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!.toLowerCase();
      const value = rawHeaders[i + 1]!;
      if (!isSettled(name, value)) fn(name, value);
    }
    // HTTP/1.0 has none, and no browser speaks it: no page has made this request.
    if (this.#req.httpVersion === '1.0' && this.#req.headers.host === undefined)
      fn('host', 'localhost');
  }
}

// What Node has seen to by itself: where the body ends, and whether the client waits for a word.
const isSettled = (name: string, value: string): boolean =>
  name === 'expect' || (name === 'transfer-encoding' && value.toLowerCase() === 'chunked');

// Absolute form (RFC 9112, 3.2.2), and `*`, which stands for the server.
function pathOf(target: string): string {
  if (target === '*') return '/';
  return target.startsWith('/')
    ? target
    : target.replace(/^https?:\/\/[^/?]*(?=[/?]|$)/i, '') || '/';
}

class NodeResponse implements HttpResponse {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  #status = 200;
  readonly #headers: string[] = [];

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
  }

  writeStatus(status: string): this {
    this.#status = Number.parseInt(status, 10);
    return this;
  }

  // Of connections Node tells by itself.
  writeHeader(name: string, value: string): this {
    if (name !== 'Keep-Alive') this.#headers.push(name, value);
    return this;
  }

  end(body = '', closeConnection = false): this {
    if (closeConnection) this.#headers.push('Connection', 'close');
    this.#headers.push('Content-Length', String(Buffer.byteLength(body)));
    this.#res.writeHead(this.#status, this.#headers);
    this.#res.end(body);
    return this;
  }

  endWithoutBody(): this {
    this.#res.writeHead(this.#status, this.#headers);
    this.#res.end();
    return this;
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
    this.#res.on('close', () => {
      if (!this.#res.writableFinished) fn();
    });
    return this;
  }

  onData(fn: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    if (this.#req.headers.expect !== undefined) this.#res.writeContinue();
    this.#req.on('data', (chunk: Buffer) => fn(bytesOf(chunk), false));
    this.#req.on('end', () => fn(new ArrayBuffer(0), true));
    return this;
  }

  getRemoteAddressAsText(): ArrayBuffer {
    return bytesOf(Buffer.from(this.#req.socket.remoteAddress ?? ''));
  }

  // Only for streams, which are not served here.
  write(): never {
    throw new Error('no streams on this listener');
  }

  pause(): never {
    return this.write();
  }

  resume(): never {
    return this.write();
  }

  onWritable(): never {
    return this.write();
  }
}

const bytesOf = (chunk: Buffer): ArrayBuffer => {
  const { buffer, byteOffset, byteLength } = chunk;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
};
