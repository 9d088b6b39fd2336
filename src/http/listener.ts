/** One listen socket: opens it for this process alone, says why when it cannot, closes it once. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { TidingsError } from '../errors.ts';
import type { ListenAddress, TcpAddress } from './address.ts';
import {
  closeListener,
  type HttpApp,
  type ListenSocket,
  listenTcp,
  listenTcpShared,
  listenUnix,
  localPort,
} from './uws.ts';

/** The proxy runs as another user of the same group more often than not. */
export const UNIX_SOCKET_MODE = 0o660;

export interface ListenNames {
  /** Of the option that gives the address. */
  readonly flag: string;
  readonly scheme: string;
  /** Other threads of this process may listen on the same port: each gets some of the connections. */
  readonly sharesPort?: boolean;
}

export class Listener {
  /** Where it listens, e.g. `http://127.0.0.1:8000` or `unix:/run/tidings.sock`. */
  readonly url: string;
  readonly port: number;
  #socket: ListenSocket | undefined;
  readonly #path: string | undefined;

  private constructor(url: string, socket: ListenSocket, path: string | undefined) {
    this.url = url;
    this.port = path === undefined ? localPort(socket) : 0;
    this.#socket = socket;
    this.#path = path;
  }

  /** @throws TidingsError `CONFIG_INVALID` with the reason, naming the flag */
  static async open(
    app: HttpApp,
    address: ListenAddress,
    { flag, scheme, sharesPort = false }: ListenNames,
  ): Promise<Listener> {
    if (address.kind === 'unix') return Listener.#openUnix(app, address.path, flag);
    const { host, port } = address;
    const socket = (sharesPort ? listenTcpShared : listenTcp)(app, host, port);
    if (socket === undefined)
      throw cannotListen(flag, `${host}:${port}`, await reasonFor(host, port));
    const name = host === '' ? '0.0.0.0' : host;
    const shown = name.includes(':') ? `[${name}]` : name;
    return new Listener(`${scheme}://${shown}:${localPort(socket)}`, socket, undefined);
  }

  static async #openUnix(app: HttpApp, path: string, flag: string): Promise<Listener> {
    // The addon would unlink whatever is at the path, even a regular file or a live socket.
    const obstacle = await obstacleAt(path);
    if (obstacle !== undefined) throw cannotListen(flag, `unix:${path}`, obstacle);
    const socket = listenUnix(app, path);
    if (socket === undefined)
      throw cannotListen(flag, `unix:${path}`, 'the folder is missing or not writable');
    chmodSync(path, UNIX_SOCKET_MODE);
    return new Listener(`unix:${path}`, socket, path);
  }

  /** New connections are refused from now on; open ones go on. */
  close(): void {
    if (this.#socket === undefined) return;
    closeListener(this.#socket);
    this.#socket = undefined;
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
  }
}

/** A start that ends because an address is not to be had. */
export const cannotListen = (flag: string, where: string, why: string): TidingsError =>
  new TidingsError('CONFIG_INVALID', `-${flag} ${where}: cannot listen, ${why}`);

/** By the code of the system's error. */
export const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has this port: stop it or choose another port',
  EADDRNOTAVAIL: 'this machine does not have this address',
  EACCES: 'not permitted: ports below 1024 need a privilege',
  ENOTFOUND: 'the host name is not known',
};

/**
 * The port to listen on where it is to be shared: the kernel would let in another process as well, and
 * the addon shares no port that it was not told.
 * @throws TidingsError `CONFIG_INVALID` when somebody has it
 */
export async function portToShare(address: TcpAddress, flag: string): Promise<number> {
  const { host, port } = address;
  const tried = await tryPort(host, port);
  if (typeof tried === 'number') return tried;
  throw cannotListen(flag, `${host}:${port}`, tried);
}

// The addon gives no reason; Node's own listener, tried the same way, does.
async function reasonFor(host: string, port: number): Promise<string> {
  const tried = await tryPort(host, port);
  return typeof tried === 'string' ? tried : 'the address is not usable';
}

// The port, or why not. It is free again afterwards.
function tryPort(host: string, port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(REASONS[error.code ?? ''] ?? String(error.code));
    });
    probe.listen({ ...(host === '' ? {} : { host }), port, exclusive: true }, () => {
      const { port: taken } = probe.address() as AddressInfo;
      probe.close(() => resolve(taken));
    });
  });
}

/** What stands in the way of a unix socket at this path; undefined when nothing does. */
export async function obstacleAt(path: string): Promise<string | undefined> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isSocket()) return 'there is a file of that name: remove it or choose another path';
  return (await isAnswered(path))
    ? 'another process listens there: stop it or choose another path'
    : undefined;
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
