/** One listen socket of Node's own `http`: the same addresses and the same sentences as the addon's. */

import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { type AddressInfo, Server } from 'node:net';
import type { ListenAddress } from './address.ts';
import { cannotListen, obstacleAt, REASONS, UNIX_SOCKET_MODE } from './listener.ts';
import type { NodeApp } from './node-app.ts';

export class NodeListener {
  /** Where it listens, e.g. `http://127.0.0.1:8002` or `unix:/run/tidings.sock`. */
  readonly url: string;
  readonly #app: NodeApp;

  private constructor(url: string, app: NodeApp) {
    this.url = url;
    this.#app = app;
  }

  /** @throws TidingsError `CONFIG_INVALID` with the reason, naming the flag */
  static async open(app: NodeApp, address: ListenAddress, flag: string): Promise<NodeListener> {
    const where =
      address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`;
    try {
      if (address.kind === 'unix') await listenUnix(app, address.path);
      else await listen(app, { port: address.port, ...hostOf(address.host) });
    } catch (error) {
      throw cannotListen(flag, where, reasonOf(error));
    }
    return new NodeListener(address.kind === 'unix' ? where : urlOf(app), app);
  }

  /** New connections are refused from now on; open ones go on. */
  close(): void {
    // Not http's own: that ends kept connections too, which are still to be told that the server leaves.
    Server.prototype.close.call(this.#app.server);
  }
}

async function listen(app: NodeApp, where: { port: number } | { path: string }): Promise<void> {
  app.server.listen({ ...where, exclusive: true });
  await once(app.server, 'listening');
}

async function listenUnix(app: NodeApp, path: string): Promise<void> {
  const obstacle = await obstacleAt(path);
  if (obstacle !== undefined) throw new Error(obstacle);
  rmSync(path, { force: true }); // nobody answers there
  await listen(app, { path });
  chmodSync(path, UNIX_SOCKET_MODE);
}

const hostOf = (host: string): { host?: string } => (host === '' ? {} : { host });

function urlOf(app: NodeApp): string {
  const { address, family, port } = app.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? error.message;
}
