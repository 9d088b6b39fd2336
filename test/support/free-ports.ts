/** Ports for those who cannot take a free one by themselves, or are to come back to theirs. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Below those that Linux gives to connections, one of which would otherwise take it meanwhile. */
const FIRST = 20_000;
const AFTER_LAST = 32_768;

/** Holds a loopback port that was free. */
async function holdOne(): Promise<Server> {
  for (;;) {
    const holder = createServer().listen(randomInt(FIRST, AFTER_LAST), '127.0.0.1');
    const fault = await once(holder, 'listening').then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    if (fault === undefined) return holder;
    if (fault.code !== 'EADDRINUSE') throw fault;
  }
}

/** So many loopback ports, no two alike, that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(Array.from({ length: count }, holdOne));
  const ports = holders.map((holder) => (holder.address() as { port: number }).port);
  await Promise.all(holders.map((holder) => new Promise((done) => holder.close(done))));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
