/**
 * What a careful developer writes by hand on node:http: `node node-http-server.js PORT`.
 * Each event is one string for all streams; who does not read is cut; the last events are kept for those who come back.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authorised, publishing, serve } from './node-backend.ts';

const KEPT_EVENTS = 1_000;
const KEPT_MS = 300_000;
/** A stream this far behind is cut: Node would keep the bytes for ever. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const HEARTBEAT_MS = 15_000;
const HEAD = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' };

interface Kept {
  readonly id: number;
  readonly at: number;
  readonly user: string | undefined;
  readonly frame: string;
}

const streams = new Set<ServerResponse>();
const streamsOf = new Map<string, Set<ServerResponse>>();
/** Event `id` is at `id % KEPT_EVENTS`, until it is written over. */
const kept: Kept[] = [];
let lastId = 0;

function write(res: ServerResponse, frame: string): void {
  if (res.writableLength > MAX_UNREAD_BYTES) res.destroy();
  else res.write(frame);
}

function publish(text: string, user: string | undefined): void {
  lastId += 1;
  const frame = `id: ${lastId}\ndata: ${text}\n\n`;
  kept[lastId % KEPT_EVENTS] = { id: lastId, at: Date.now(), user, frame };
  const receivers = user === undefined ? streams : (streamsOf.get(user) ?? []);
  for (const res of receivers) write(res, frame);
}

function replay(res: ServerResponse, user: string, after: number): void {
  const oldest = Date.now() - KEPT_MS;
  for (let id = Math.max(after + 1, lastId - KEPT_EVENTS + 1); id <= lastId; id++) {
    const event = kept[id % KEPT_EVENTS];
    const isTheirs = event?.user === undefined || event.user === user;
    if (event !== undefined && isTheirs && event.at > oldest) res.write(event.frame);
  }
}

function open(req: IncomingMessage, res: ServerResponse, user: string): void {
  const own = streamsOf.get(user) ?? new Set();
  streamsOf.set(user, own.add(res));
  streams.add(res);
  res.on('close', () => {
    streams.delete(res);
    own.delete(res);
    if (own.size === 0) streamsOf.delete(user);
  });
  res.writeHead(200, HEAD).flushHeaders();
  const after = req.headers['last-event-id'];
  if (after !== undefined) replay(res, user, Number(after));
}

setInterval(() => {
  for (const res of streams) write(res, ':\n\n');
}, HEARTBEAT_MS);

serve(authorised(open), publishing(publish));
