/**
 * The ceiling: what the addon alone answers, `node addon-server.js PORT [THREADS]`. A body is read to its end and looked
 * at by nobody; the answer is as long as that to an emit, with the same head. A stream gets the head of ours and a
 * greeting, and is kept; who asks is not looked at.
 */
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { JSON_HEADERS } from '../../src/http/answer.ts';
import { createApp, type HttpResponse, listenTcpShared } from '../../src/http/uws.ts';
import { writeStreamHead } from '../../src/public/stream-answers.ts';

const ID = 'addonalone-12345';
const ANSWER = `${JSON.stringify({ id: ID, streams: 0 })}\n`;
const HEADERS = [...JSON_HEADERS, ['Tidings-Position', ID], ['Keep-Alive', 'timeout=5']] as const;
const GREETING = `retry: 2000\nevent: tidings.open\nid: ${ID}\ndata: {}\n\n`;

/** The addon corks by itself what is answered within `onData`. */
function answer(res: HttpResponse): void {
  res.writeStatus('200 OK');
  for (const [name, value] of HEADERS) res.writeHeader(name, value);
  res.end(ANSWER);
}

function serve(port: number): void {
  const streams = new Set<HttpResponse>();
  const app = createApp();
  app.any('/events/', (res) => {
    res.onAborted(() => streams.delete(res));
    streams.add(res);
    writeStreamHead(res, []);
    res.write(GREETING);
  });
  app.any('/*', (res) => {
    res.onAborted(() => {});
    res.onData((_, isLast) => {
      if (isLast) answer(res);
    });
  });
  if (listenTcpShared(app, '127.0.0.1', port) === undefined)
    throw new Error(`cannot listen on ${port}: usage: node addon-server.js PORT [THREADS]`);
}

/** None listens before all can: the first would have all connections. */
async function serveInThreads(port: number, threads: number): Promise<void> {
  const program = new URL(import.meta.url);
  const all = Array.from({ length: threads }, () => new Worker(program, { workerData: port }));
  await Promise.all(all.map((worker) => once(worker, 'message')));
  for (const worker of all) worker.postMessage('listen');
}

if (parentPort !== null) {
  parentPort.once('message', () => serve(workerData as number));
  parentPort.postMessage('ready');
} else {
  const [port, threads] = [Number(process.argv[2]), Number(process.argv[3] ?? 1)];
  if (threads === 1) serve(port);
  else await serveInThreads(port, threads);
}
