/**
 * The only file that loads uWebSockets.js. The addon's own typings accept misspelt methods, so what
 * we use of it is typed here, narrowly. Facts cited are of npm `uwebsockets` 3.0.6.
 */
import { createRequire } from 'node:module';
import { TidingsError } from '../errors.ts';

/** Largest request head, in bytes; past it the addon answers 431. */
export const MAX_HEAD_BYTES = 16_384;

export interface HttpRequest {
  /** Lower case. */
  getMethod(): string;
  /** The path, without the query; not percent-decoded. */
  getUrl(): string;
  /** The query without `?`, not decoded; undefined when there is none. */
  getQuery(): string | undefined;
  /** Name in lower case; empty when absent. Bytes come as Latin-1. */
  getHeader(name: string): string;
  forEach(fn: (name: string, value: string) => void): void;
}

export interface HttpResponse {
  writeStatus(status: string): HttpResponse;
  writeHeader(name: string, value: string): HttpResponse;
  write(bytes: string | Uint8Array): boolean;
  /** `closeConnection` is for answers that have not begun to stream only. */
  end(body?: string | Uint8Array, closeConnection?: boolean): HttpResponse;
  endWithoutBody(): HttpResponse;
  close(): unknown;
  cork(fn: () => void): HttpResponse;
  pause(): unknown;
  resume(): unknown;
  onWritable(fn: () => boolean): HttpResponse;
  onAborted(fn: () => void): HttpResponse;
  /** The chunk's memory is taken back when the handler returns. */
  onData(fn: (chunk: ArrayBuffer, isLast: boolean) => void): HttpResponse;
  getRemoteAddressAsText(): ArrayBuffer;
}

export type HttpHandler = (res: HttpResponse, req: HttpRequest) => void;

export type ConnectionFilter = (res: Pick<HttpResponse, 'close'>, change: 1 | -1) => void;

/** An opaque listen socket. Closing one twice is undefined behaviour. */
export type ListenSocket = object;
type ListenCallback = (socket: ListenSocket | false) => void;

export interface HttpApp {
  any(pattern: string, handler: HttpHandler): HttpApp;
  /** Told of every connection that opens (1) and closes (-1), also of those that never send a byte. */
  filter(fn: ConnectionFilter): HttpApp;
  listen(host: string, port: number, options: number, done: ListenCallback): HttpApp;
  listen_unix(done: ListenCallback, path: string): HttpApp;
  close(): HttpApp;
}

export interface TlsFiles {
  readonly cert_file_name: string;
  readonly key_file_name: string;
}

interface Addon {
  App(): HttpApp;
  SSLApp(files: TlsFiles): HttpApp;
  us_listen_socket_close(socket: ListenSocket): void;
  us_socket_local_port(socket: ListenSocket): number;
  _cfg(key: 'silent'): void;
}

/** Without it the kernel lets two processes share a port in silence. */
const LIBUS_LISTEN_EXCLUSIVE_PORT = 1;
const LIBUS_LISTEN_DEFAULT = 0;

/** @throws TidingsError `ADDON_UNAVAILABLE` when no binary fits this Node and C library. */
function loadAddon(): Addon {
  // Read once, when the addon loads: its default of 4,096 bytes refuses long tokens and cookies as
  // soon as they arrive in more than one piece.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(MAX_HEAD_BYTES);
  try {
    const addon = createRequire(import.meta.url)('uWebSockets.js') as Addon;
    addon._cfg('silent'); // no header that names the library
    return addon;
  } catch (cause) {
    throw new TidingsError('ADDON_UNAVAILABLE', unavailable(), { cause });
  }
}

const unavailable = (): string =>
  `uWebSockets.js does not load on Node ${process.version} here: use Node 20 (glibc 2.28 or newer), ` +
  'or Node 22 or 24 on a system with glibc 2.38 (Debian 13, Ubuntu 24.04); musl (Alpine) has no binary';

let addon: Addon | undefined;
const theAddon = (): Addon => {
  addon ??= loadAddon();
  return addon;
};

export function createApp(tls?: TlsFiles): HttpApp {
  return tls === undefined ? theAddon().App() : theAddon().SSLApp(tls);
}

type Listen = (app: HttpApp, host: string, port: number) => ListenSocket | undefined;

const listenWith =
  (options: number): Listen =>
  (app, host, port) => {
    let listening: ListenSocket | false = false;
    app.listen(host, port, options, (socket) => {
      listening = socket;
    });
    return listening || undefined;
  };

/** Listens for this process alone; undefined when it cannot (the addon does not say why). */
export const listenTcp = listenWith(LIBUS_LISTEN_EXCLUSIVE_PORT);

/** The same, but another thread, or another process that asks for it too, may have the port as well. */
export const listenTcpShared = listenWith(LIBUS_LISTEN_DEFAULT);

/** Listens on a path, in place of whatever is there: the caller has looked. */
export function listenUnix(app: HttpApp, path: string): ListenSocket | undefined {
  let listening: ListenSocket | false = false;
  app.listen_unix((socket) => {
    listening = socket;
  }, path);
  return listening || undefined;
}

export const localPort = (socket: ListenSocket): number => theAddon().us_socket_local_port(socket);

export const closeListener = (socket: ListenSocket): void =>
  theAddon().us_listen_socket_close(socket);
