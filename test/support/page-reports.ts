/** A site with one page that opens a stream and reports whatever it is told, in any browser. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Owner } from './sse-client.ts';
import { type Deadline, eventually } from './wait.ts';

/** One call of a listener in the page. */
export interface Report {
  /** `onmessage` for calls of that, else the name of the event. */
  readonly name: string;
  readonly data?: string;
  readonly id?: string;
}

// Reports go out one after the other: their order is that of the calls.
const PAGE = `<!doctype html><title>reports</title><script>
  let sent = Promise.resolve();
  const report = (name, { data, lastEventId: id }) => {
    const body = JSON.stringify({ name, data, id });
    sent = sent.then(() => fetch('/report', { method: 'POST', body }));
  };
  const source = new EventSource(decodeURIComponent(location.hash.slice(1)));
  source.onmessage = (event) => report('onmessage', event);
  for (const name of ['open', 'error', 'tidings.open', 'tidings.gap'])
    source.addEventListener(name, (event) => report(name, event));
</script>`;

export class PageReports {
  readonly origin: string;
  readonly all: Report[] = [];

  constructor(origin: string) {
    this.origin = origin;
  }

  /** The page, with the stream that it is to open. */
  pageFor(streamUrl: string): string {
    return `${this.origin}/#${encodeURIComponent(streamUrl)}`;
  }

  named(name: string): Report[] {
    return this.all.filter((report) => report.name === name);
  }

  /** Waits until there have been `count` reports of that name in all, and returns them. */
  async arrived(name: string, count: number, deadline: Deadline = {}): Promise<Report[]> {
    const enough = () => this.named(name).length >= count;
    const what = `${count} of "${name}" from the page`;
    await eventually(enough, { withinMs: 20_000, what, ...deadline }).catch((cause: Error) => {
      throw new Error(`${cause.message}; it reported ${JSON.stringify(this.all)}`, { cause });
    });
    return this.named(name);
  }
}

async function take(request: IncomingMessage, reports: PageReports): Promise<void> {
  const body = await request.setEncoding('utf8').toArray();
  reports.all.push(JSON.parse(body.join('')) as Report);
}

/** Closed by `t.after`. */
export async function startPageReports(t: Owner): Promise<PageReports> {
  const server = createServer(async (request, response) => {
    if (request.url === '/report') await take(request, reports);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(request.url === '/' ? PAGE : '');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const reports = new PageReports(`http://127.0.0.1:${port}`);
  return reports;
}
