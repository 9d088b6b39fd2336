/**
 * The ceiling: what the addon alone answers, `node addon-server.js PORT`. A body is read to its end and looked at by
 * nobody; the answer is as long as that to an emit, with the same head.
 */
import { JSON_HEADERS } from '../../src/http/answer.ts';
import { createApp, type HttpResponse, listenTcp } from '../../src/http/uws.ts';

const ID = 'addonalone-12345';
const ANSWER = `${JSON.stringify({ id: ID, streams: 0 })}\n`;
const HEADERS = [...JSON_HEADERS, ['Tidings-Position', ID], ['Keep-Alive', 'timeout=5']] as const;

/** The addon corks by itself what is answered within `onData`. */
function answer(res: HttpResponse): void {
  res.writeStatus('200 OK');
  for (const [name, value] of HEADERS) res.writeHeader(name, value);
  res.end(ANSWER);
}

const app = createApp();
app.any('/*', (res) => {
  res.onAborted(() => {});
  res.onData((_, isLast) => {
    if (isLast) answer(res);
  });
});
const port = Number(process.argv[2]);
if (listenTcp(app, '127.0.0.1', port) === undefined)
  throw new Error(`cannot listen on ${port}: usage: node addon-server.js PORT`);
