/** A NATS server whose machine takes connections while the server itself says nothing. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { startNats, withoutNats } from '../support/nats.ts';
import { emit, spawnServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';

async function silentServer(t: Owner): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('silent server - a node does not wait for it, and starts with the next one', {
  skip: withoutNats(),
}, async (t) => {
  const { urls } = await startNats(t);
  const silent = await silentServer(t);
  // Which of them is asked first is left to chance: with four such nodes hardly ever another one.
  const nodes = await Promise.all(
    Array.from({ length: 4 }, () => spawnServer(t, ['-nats', `${silent},${urls}`])),
  );
  for (const { controlUrl } of nodes)
    await emit(controlUrl, { userId: '*', channel: 'news', payload: 'data: x' });
});
