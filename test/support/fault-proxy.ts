/**
 * A TCP proxy that mistreats what flows from the server to its clients. The other direction passes
 * untouched: the addon refuses a request line that comes in two segments.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Owner } from './sse-client.ts';

/** Takes what the server sends, and passes it on as it likes. One per connection. */
export type Fault = (chunk: Buffer, client: Socket, server: Socket) => void;

export const pass = (): Fault => (chunk, client) => {
  client.write(chunk);
};

/** One byte a turn of the loop, each in a segment of its own. */
export const slice = (): Fault => {
  const waiting: Buffer[] = [];
  let at = 0;
  const step = (client: Socket) => {
    const chunk = waiting[0];
    if (chunk === undefined || client.destroyed) return;
    client.write(chunk.subarray(at, at + 1));
    at += 1;
    if (at === chunk.length) {
      waiting.shift();
      at = 0;
    }
    setImmediate(step, client);
  };
  return (chunk, client) => {
    waiting.push(chunk);
    if (waiting.length === 1 && at === 0) step(client);
  };
};

/** Gathers up to 64 KiB, or what came until the server was silent for a moment. */
export const coalesce = (): Fault => {
  const silenceMs = 40;
  let gathered: Buffer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const release = (client: Socket) => {
    if (!client.destroyed) client.write(Buffer.concat(gathered));
    gathered = [];
    bytes = 0;
  };
  return (chunk, client) => {
    clearTimeout(timer);
    gathered.push(chunk);
    bytes += chunk.length;
    if (bytes >= 65_536) release(client);
    else timer = setTimeout(release, silenceMs, client);
  };
};

/** Passes so many bytes, then resets the connection, wherever in a frame that is. */
export const resetAfter = (bytes: number): Fault => {
  let left = bytes;
  return (chunk, client) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (part.length < chunk.length) client.write(part, () => client.resetAndDestroy());
    else client.write(part);
  };
};

/** A narrow link: takes nothing more off the server's side until what came has had its time. */
export const atRate = (bytesPerSecond: number) => (): Fault => (chunk, client, server) => {
  client.write(chunk);
  server.pause();
  setTimeout(() => server.resume(), (chunk.length * 1_000) / bytesPerSecond);
};

const reach = (url: string): Socket =>
  url.startsWith('unix:')
    ? connect(url.slice('unix:'.length))
    : connect(Number(new URL(url).port), new URL(url).hostname);

export class FaultProxy {
  readonly url: string;
  /** Makes the fault of each new connection. */
  fault: () => Fault = pass;
  /** Connections so far. */
  count = 0;
  readonly #pairs = new Map<Socket, Socket>();

  private constructor(url: string) {
    this.url = url;
  }

  /** To a URL, or to `unix:/path`. Closed by `t.after`. */
  static async open(t: Owner, targetUrl: string): Promise<FaultProxy> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new FaultProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('connection', (client) => proxy.#join(client, reach(targetUrl)));
    t.after(() => {
      server.close();
      proxy.cutAll();
    });
    return proxy;
  }

  #join(client: Socket, server: Socket): void {
    this.count += 1;
    this.#pairs.set(client, server);
    const fault = this.fault();
    server.on('data', (chunk) => fault(chunk, client, server));
    client.on('data', (chunk) => server.write(chunk));
    server.on('end', () => client.end());
    server.on('error', () => client.resetAndDestroy());
    client.on('error', () => {});
    client.on('close', () => {
      this.#pairs.delete(client);
      server.destroy();
    });
  }

  /** Closes every connection, with what is on its way. */
  cutAll(): void {
    for (const client of this.#pairs.keys()) client.destroy();
  }

  resetAll(): void {
    for (const client of this.#pairs.keys()) client.resetAndDestroy();
  }

  /** Takes nothing off the server's side until `flow`. */
  stallAll(): void {
    for (const server of this.#pairs.values()) server.pause();
  }

  flow(): void {
    for (const server of this.#pairs.values()) server.resume();
  }
}
