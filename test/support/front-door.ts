/** One origin for a page and its stream, as a proxy makes it: `/events/` to tidings, files, the rest to the application. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Owner } from './sse-client.ts';

export interface FrontDoorOptions {
  readonly application: string;
  /** Where `/events/` is. */
  readonly streams: string;
  /** Paths of scripts, and the files they are in. */
  readonly scripts: Readonly<Record<string, string>>;
}

export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #server = http.createServer((req, res) => this.#answer(req, res));
  readonly #streams = new Set<http.ServerResponse>();
  readonly #held: (() => void)[] = [];
  #holds = false;

  static async open(t: Owner, options: FrontDoorOptions): Promise<FrontDoor> {
    const door = new FrontDoor(options);
    door.#server.listen(0, '127.0.0.1');
    await once(door.#server, 'listening');
    t.after(async () => {
      door.#server.closeAllConnections();
      await new Promise((resolve) => door.#server.close(resolve));
    });
    return door;
  }

  private constructor(options: FrontDoorOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Streams that wait to be let through. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** Keeps streams that are opened from now on waiting. */
  hold(): void {
    this.#holds = true;
  }

  release(): void {
    this.#holds = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  /** Breaks every stream, as a lost network does. */
  cut(): void {
    for (const res of this.#streams) res.destroy();
  }

  #answer(req: http.IncomingMessage, res: http.ServerResponse): void {
    const { application, streams, scripts } = this.#options;
    const path = req.url?.split('?', 1)[0] ?? '';
    const script = scripts[path];
    if (script !== undefined) {
      res.setHeader('content-type', 'text/javascript');
      res.end(readFileSync(script));
    } else if (path !== '/events/') pass(req, res, application);
    else {
      this.#streams.add(res);
      res.on('close', () => this.#streams.delete(res));
      const go = () => pass(req, res, streams);
      if (this.#holds) this.#held.push(go);
      else go();
    }
  }
}

function pass(req: http.IncomingMessage, res: http.ServerResponse, target: string): void {
  const { method, headers, url } = req;
  const onward = http.request(`${target}${url}`, { method, headers, agent: false });
  onward.on('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
    answer.on('error', () => res.destroy());
  });
  onward.on('error', () => res.destroy());
  res.on('close', () => onward.destroy());
  req.pipe(onward);
}
