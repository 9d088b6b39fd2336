/** A program under measurement as a child process: started, seen listening, ended by its own pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { eventually } from '../../test/support/wait.ts';
import type { Cleanup } from './cleanup.ts';

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Starts a program and resolves once it accepts connections on all `ports`. */
export async function startChild(
  owner: Cleanup,
  command: readonly [string, ...string[]],
  ports: readonly number[],
): Promise<ChildProcess> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  owner.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const what = `${program} to listen`;
  for (const port of ports) await eventually(() => accepts(port), { withinMs: 10_000, what });
  return child;
}
