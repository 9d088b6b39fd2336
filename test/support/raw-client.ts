/** A bare socket: sends the bytes it is told to, keeps the bytes it gets, reads only when asked to. */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Owner } from './sse-client.ts';
import { bearer } from './tokens.ts';
import { type Deadline, eventually } from './wait.ts';

export class RawClient {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  size = 0;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.size += chunk.length;
    });
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('error', () => {}); // resets are what some tests are about; `closed` tells
  }

  /** Everything received so far. */
  get bytes(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#chunks.push(all);
    return all;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Waits until what has arrived matches. */
  async until(pattern: RegExp, deadline: Deadline = {}): Promise<string> {
    await eventually(() => pattern.test(this.text), {
      what: `${pattern} in ${this.text.slice(-200)}`,
      ...deadline,
    });
    return this.text;
  }
}

/** Connects to a URL's host and port, or to a path of a unix socket. Destroyed by `t.after`. */
export async function connectRaw(
  t: Owner,
  target: string,
  options: Partial<NetConnectOpts> = {},
): Promise<RawClient> {
  const where = target.startsWith('unix:')
    ? { path: target.slice('unix:'.length) }
    : { host: new URL(target).hostname, port: Number(new URL(target).port) };
  const socket = connect({ ...where, ...options } as NetConnectOpts);
  t.after(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return new RawClient(socket);
}

/** The request that opens a stream, to be sent as it is. */
export const streamRequest = (token: string): string =>
  `GET /events/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer(token).authorization}\r\n\r\n`;

/** The body of a chunked response, as far as its chunks are complete but for the last CRLF. */
export function dechunk(response: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = response.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const lineEnd = response.indexOf('\r\n', at);
    if (lineEnd === -1) break;
    const size = Number.parseInt(response.toString('latin1', at, lineEnd), 16);
    if (!Number.isInteger(size))
      throw new Error(`not a chunk size at ${at}: ${response.toString('latin1', at, at + 20)}`);
    if (size === 0 || lineEnd + 2 + size > response.length) break;
    parts.push(response.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
    if (at <= response.length && response.toString('latin1', at - 2, at) !== '\r\n')
      throw new Error(`chunk at ${at} does not end with CRLF`);
  }
  return Buffer.concat(parts);
}
