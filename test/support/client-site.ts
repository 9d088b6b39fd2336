/** What stands around a browser's stream in these tests: a web site of another origin, and a wire tap. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Owner } from './sse-client.ts';

const HTML = { 'content-type': 'text/html; charset=utf-8' };

async function listen(t: Owner, server: http.Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A site with one empty page at every address. Returns its origin. */
export const startSite = (t: Owner): Promise<string> =>
  listen(
    t,
    http.createServer((_, res) => {
      res.writeHead(200, HTML).end('<!doctype html><title>a page</title>');
    }),
  );

export interface TappedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** 0 until the response head has passed. */
  status: number;
}

export interface WireTap {
  readonly url: string;
  readonly requests: readonly TappedRequest[];
  /** Breaks every connection in mid-stream, as a lost network does. */
  cut(): void;
  /** The same with a reset. */
  reset(): void;
  /** Ends every stream with its last chunk, as a server that leaves does. */
  end(): void;
}

/** Passes requests to `target` as they are and notes what passed. */
export async function startWireTap(t: Owner, target: string): Promise<WireTap> {
  const requests: TappedRequest[] = [];
  const open = new Set<http.ServerResponse>();
  const server = http.createServer((req, res) => {
    const { method = '', url = '', headers } = req;
    const record: TappedRequest = { method, url, headers, status: 0 };
    requests.push(record);
    open.add(res);
    const onward = http.request(`${target}${url}`, { method, headers, agent: false });
    onward.on('response', (answer) => {
      record.status = answer.statusCode ?? 0;
      res.writeHead(record.status, answer.headers);
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => open.delete(res) && onward.destroy());
    req.pipe(onward);
  });
  const each = (act: (res: http.ServerResponse) => void) => () => {
    for (const res of open) act(res);
  };
  return {
    url: await listen(t, server),
    requests,
    cut: each((res) => res.destroy()),
    reset: each((res) => res.socket?.resetAndDestroy()),
    end: each((res) => res.end()),
  };
}
