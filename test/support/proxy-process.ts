/** A real proxy as a child process: started, reloaded, ended and started again. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { SEARCH_PATH } from './proxy.ts';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

/** Proxies wait for open streams when they are asked to end; after this the process group is killed. */
const STOP_MS = 500;

async function accepts(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {} // all of them have ended
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    const patience = setTimeout(() => killGroup(child), STOP_MS);
    await exited;
    clearTimeout(patience);
  }
  killGroup(child); // workers that outlive their master
}

export interface ProxyCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Takes its output: a file, because Apache opens /dev/stderr by name, which a pipe of Node refuses. */
  readonly folder: string;
  /** The child is up once this port accepts connections, */
  readonly port: number;
  /** and this was in its output: Apache opens its port, closes it and reads its configuration again. */
  readonly ready: string;
  /** A signal or a command; `ready` is in its output once more when it has done so. */
  readonly reload: NodeJS.Signals | readonly [string, ...string[]];
  /** Asks it to take no more connections, and to end with the last one it has. */
  readonly leave: NodeJS.Signals;
}

export interface RunningProxy {
  /** `https://localhost:PORT`, without a trailing slash. */
  readonly url: string;
  /** Everything it wrote to stdout and stderr. */
  readonly output: () => string;
  /** Has it read its configuration again as its manual says, with new workers or a new server within. */
  readonly reload: () => Promise<void>;
  /** Ends it, and starts it again where it was. */
  readonly restart: (ending: Ending) => Promise<void>;
}

/** `graceful` is its own way, cut short as a service manager does; `kill` takes all processes at once. */
export type Ending = 'graceful' | 'kill';

/** A proxy in the foreground, in a process group of its own. */
class Program {
  readonly #run: ProxyCommand;
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  #child!: ChildProcess;

  constructor(run: ProxyCommand) {
    this.#run = run;
    this.#file = path.join(run.folder, 'output.log');
    const own = { PATH: SEARCH_PATH, HOME: run.folder, APACHE_LOG_DIR: run.folder };
    this.#env = { ...process.env, ...own };
  }

  readonly output = (): string => readFileSync(this.#file, 'utf8');

  async start(): Promise<void> {
    const fd = openSync(this.#file, 'a');
    const { command, args } = this.#run;
    const options: SpawnOptions = { detached: true, stdio: ['ignore', fd, fd], env: this.#env };
    await this.#untilReady(() => {
      this.#child = spawn(command, args, options);
    });
    closeSync(fd);
  }

  readonly reload = (): Promise<void> =>
    this.#untilReady(() => {
      const { reload } = this.#run;
      if (typeof reload === 'string') this.#child.kill(reload);
      else execFileSync(reload[0], reload.slice(1), { env: this.#env, stdio: 'ignore' });
    });

  readonly restart = async (ending: Ending): Promise<void> => {
    if (ending === 'kill') killGroup(this.#child);
    await this.stop(this.#run.leave);
    await this.start();
  };

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await stop(this.#child, signal);
  }

  #readyCount(): number {
    return this.output().split(this.#run.ready).length - 1;
  }

  async #untilReady(act: () => void): Promise<void> {
    const { command, port } = this.#run;
    const before = this.#readyCount();
    act();
    const isUp = () => {
      if (this.#child.exitCode !== null) throw new Error(`${command} ended:\n${this.output()}`);
      return this.#readyCount() > before && accepts(port);
    };
    await eventually(isUp, { withinMs: 15_000, what: `${command} to listen` });
  }
}

/** Runs a proxy until `t.after`. */
export async function runProxy(t: Owner, run: ProxyCommand): Promise<RunningProxy> {
  const program = new Program(run);
  t.after(() => program.stop());
  await program.start();
  const { output, reload, restart } = program;
  return { url: `https://localhost:${run.port}`, output, reload, restart };
}
