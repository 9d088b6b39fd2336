/** The network between one node and its NATS servers: whole, cut, or a black hole. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Nats } from './nats.ts';
import type { Owner } from './sse-client.ts';
import { undo } from './undo.ts';

/** `hole`: nothing passes either way, and nobody is told; what was sent comes when it is over. */
export type LinkState = 'whole' | 'cut' | 'hole';

/** Takes what a server sends on one connection, and gives what is to come to the node. */
export type Filter = (chunk: Buffer) => Buffer;

const asItIs: Filter = (chunk) => chunk;

export class NatsLinks {
  /** As `-nats` takes it: a way to each of the servers. */
  readonly urls: string;
  /** Makes the filter of each new connection. */
  filter: () => Filter = () => asItIs;
  #state: LinkState = 'whole';
  readonly #listeners: readonly Server[];
  readonly #pairs = new Map<Socket, Socket>();

  private constructor(listeners: readonly Server[]) {
    this.#listeners = listeners;
    this.urls = listeners
      .map((listener) => `nats://127.0.0.1:${(listener.address() as AddressInfo).port}`)
      .join(',');
  }

  /** Closed after the test. */
  static async open(t: Owner, { servers }: Nats): Promise<NatsLinks> {
    const listeners = servers.map(() => createServer({ noDelay: true }).listen(0, '127.0.0.1'));
    await Promise.all(listeners.map((listener) => once(listener, 'listening')));
    const links = new NatsLinks(listeners);
    for (const [i, listener] of listeners.entries())
      listener.on('connection', (node) => links.#join(node, Number(new URL(servers[i]!.url).port)));
    undo(t, () => links.#close());
    return links;
  }

  /** Connections of the node. */
  get count(): number {
    return this.#pairs.size;
  }

  set(state: LinkState): void {
    this.#state = state;
    for (const [node, server] of this.#pairs) this.#treat(node, server);
  }

  #join(node: Socket, port: number): void {
    const server = connect({ host: '127.0.0.1', port, noDelay: true });
    const filter = this.filter();
    this.#pairs.set(node, server);
    server.on('data', (chunk) => node.write(filter(chunk)));
    node.on('data', (chunk) => server.write(chunk));
    const end = () => {
      this.#pairs.delete(node);
      node.destroy();
      server.destroy();
    };
    for (const socket of [node, server]) socket.on('error', end).on('close', end);
    this.#treat(node, server);
  }

  #treat(node: Socket, server: Socket): void {
    if (this.#state === 'cut') node.destroy();
    for (const socket of [node, server]) {
      if (this.#state === 'hole') socket.pause();
      else socket.resume();
    }
  }

  #close(): void {
    for (const listener of this.#listeners) listener.close();
    this.set('cut');
  }
}
